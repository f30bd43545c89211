//! The images whose labels are learnt from, and those that the settings are chosen by.

use anyhow::{Result, ensure};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};
use univip_core::dataset::Dataset;
use univip_core::digest::hexadecimal;
use univip_core::seed::stream;

/// Two parts of a train split that have no image in common, by index, each as balanced as the split allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Subset {
    /// The images to learn from.
    pub labelled: Vec<usize>,
    /// The images that choose the settings.
    pub held_out: Vec<usize>,
}

impl Subset {
    /// `share` of the images, and `held_out` of the others or all of them where there are fewer. The same ones for every
    /// run and seed, as the published lists are.
    ///
    /// # Errors
    /// When there is not a labelled image for each class, or none is left to hold out.
    pub fn draw(labels: &[u32], classes: usize, share: f64, held_out: usize) -> Result<Self> {
        let count = (labels.len() as f64 * share).round() as usize;
        let percent = 100.0 * share;
        ensure!(
            count >= classes,
            "{percent}% of {} labelled images are {count}, expected at least one for each of the {classes} classes: \
             raise probe_data.train_limit, or choose a protocol with more labels",
            labels.len()
        );
        let order = balanced(labels, classes);
        let (labelled, rest) = order.split_at(count.min(order.len()));
        ensure!(!rest.is_empty(), "no image is left of {} to choose settings by", labels.len());
        let mut subset =
            Self { labelled: labelled.to_vec(), held_out: rest[..held_out.min(rest.len())].to_vec() };
        subset.labelled.sort_unstable();
        subset.held_out.sort_unstable();
        Ok(subset)
    }

    /// A digest of the images' names, to tell one split list from another, and of the split that they are of.
    pub fn digest(&self, train: &dyn Dataset) -> String {
        let mut hash = Sha256::new();
        hash.update(train.identity());
        for part in [&self.labelled, &self.held_out] {
            hash.update((part.len() as u64).to_le_bytes());
            for index in part {
                let id = train.id(*index);
                hash.update((id.len() as u64).to_le_bytes());
                hash.update(id);
            }
        }
        hexadecimal(&hash.finalize()[..8])
    }
}

/// All images, so that the first of them are of every class alike: one of each class, then a second one of each, until
/// the classes have no more.
fn balanced(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut of_class = vec![Vec::new(); classes];
    for (index, label) in labels.iter().enumerate() {
        of_class[*label as usize].push(index);
    }
    for (class, images) in of_class.iter_mut().enumerate() {
        images.shuffle(&mut stream(0, "semi-supervised images", &[class as u64]));
    }
    let largest = of_class.iter().map(Vec::len).max().unwrap_or(0);
    let mut order = Vec::with_capacity(labels.len());
    for round in 0..largest {
        let mut taken: Vec<usize> = of_class.iter().filter_map(|images| images.get(round).copied()).collect();
        // A round that is cut short is no favour to the first classes.
        taken.shuffle(&mut stream(0, "semi-supervised classes", &[round as u64]));
        order.extend(taken);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(labels: &[u32], images: &[usize], classes: usize) -> Vec<usize> {
        (0..classes as u32)
            .map(|class| images.iter().filter(|index| labels[**index] == class).count())
            .collect()
    }

    #[test]
    fn classes_are_balanced_and_no_image_is_in_both_parts() -> Result<()> {
        // Sorted by class, as directories are.
        let labels: Vec<u32> = (0..1000).map(|index| index / 100).collect();
        let subset = Subset::draw(&labels, 10, 0.1, 95)?;
        assert_eq!(counts(&labels, &subset.labelled, 10), [10; 10]);
        assert_eq!(subset.held_out.len(), 95);
        assert!(counts(&labels, &subset.held_out, 10).iter().all(|count| [9, 10].contains(count)));
        assert!(subset.held_out.iter().all(|index| !subset.labelled.contains(index)));
        assert_eq!(subset, Subset::draw(&labels, 10, 0.1, 95)?, "the same for every run");
        Ok(())
    }

    #[test]
    fn a_rare_class_gives_what_it_has_and_the_others_the_rest() -> Result<()> {
        let labels: Vec<u32> = (0..300).map(|index| if index < 3 { 0 } else { 1 + index % 2 }).collect();
        let subset = Subset::draw(&labels, 3, 0.1, 1000)?;
        let found = counts(&labels, &subset.labelled, 3);
        assert_eq!((found[0], found[1] + found[2]), (3, 27));
        assert!(found[1].abs_diff(found[2]) <= 1, "{found:?}");
        assert_eq!(subset.held_out.len(), 270);
        Ok(())
    }

    #[test]
    fn too_few_labels_are_refused_with_the_way_out() {
        let labels: Vec<u32> = (0..200).map(|index| index % 10).collect();
        let error = Subset::draw(&labels, 10, 0.01, 10).unwrap_err().to_string();
        assert!(
            error.contains("1% of 200 labelled images are 2") && error.contains("train_limit"),
            "{error}"
        );
    }
}
