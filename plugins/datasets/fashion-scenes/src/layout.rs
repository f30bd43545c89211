//! The layout of a scene: everything about it but the texture.

use crate::cutout::{Cutout, Item, Pose};
use crate::data::CLASSES;
use crate::pool::Pool;
use rand::Rng;
use univip_core::geometry::BoundingBox;
use univip_core::seed::Stream;

/// A hidden type of scene: it decides which classes occur together.
#[derive(Debug, PartialEq, Eq)]
pub struct SceneType {
    /// A name for people.
    pub name: &'static str,
    /// The classes it mostly shows, as indices into the dataset's classes. An item is of one of these
    /// with probability 36/43, the same for each, and otherwise of any other class.
    pub classes: [usize; 3],
}

impl SceneType {
    /// Every type; scenes are of each with the same probability. A class is in two or three of them.
    pub const ALL: [SceneType; 8] = [
        SceneType { name: "beach", classes: [0, 5, 8] },
        SceneType { name: "sports", classes: [0, 1, 7] },
        SceneType { name: "winter", classes: [2, 4, 9] },
        SceneType { name: "office", classes: [1, 6, 8] },
        SceneType { name: "party", classes: [3, 5, 8] },
        SceneType { name: "hike", classes: [1, 2, 9] },
        SceneType { name: "journey", classes: [4, 6, 7] },
        SceneType { name: "summer", classes: [0, 3, 5] },
    ];

    /// The frequency of a class, relative to the others.
    fn weight(&self, class: usize) -> u32 {
        if self.classes.contains(&class) { 12 } else { 1 }
    }

    fn draw_class(&self, random: &mut Stream) -> usize {
        let total: u32 = (0..CLASSES.len()).map(|class| self.weight(class)).sum();
        let mut left = random.random_range(0..total);
        let mut class = 0;
        while left >= self.weight(class) {
            left -= self.weight(class);
            class += 1;
        }
        class
    }
}

/// The side of an item's square, as a share of the scene's side: 32 to 70 pixels of 128.
const SIDES: (f32, f32) = (0.25, 0.55);

/// The side of an icon's item, as a share of the icon's. Evaluation shows the middle 224/256 of an image, where this is
/// 0.7 to 1.1.
const ICON_SIDES: (f32, f32) = (0.6, 0.95);

/// Factors on the grey of an item: as far apart as a dim and a bright light. A network must learn that they do not
/// matter, since class and scene do not depend on them.
const GAINS: (f32, f32) = (0.4, 1.2);

/// The share of its pixels that an item keeps, whatever is put before it.
const VISIBLE: f32 = 0.85;

/// Places tried before an item is made smaller.
const TRIES: usize = 30;

/// An item in a scene.
pub struct Placed {
    /// An index into [`CLASSES`].
    pub class: usize,
    /// Pixels that are its own before anything covers it.
    pub area: usize,
    /// Those of them that nothing covers so far.
    visible: usize,
}

/// Items on nothing: a texture shines through where they do not cover.
pub struct Layout {
    side: usize,
    /// Why these items are together.
    pub scene_type: &'static SceneType,
    /// From the back to the front.
    pub items: Vec<Placed>,
    /// For each pixel the number of its item, counted from 1, or 0.
    pub owners: Vec<u8>,
    coverage: Vec<f32>,
    grey: Vec<f32>,
}

impl Layout {
    /// A scene of `side` pixels of 3 to 10 items.
    pub fn draw(side: usize, pool: &Pool, mut random: Stream) -> Self {
        let scene_type = &SceneType::ALL[random.random_range(0..SceneType::ALL.len() as u32) as usize];
        let mut layout = Self::empty(side, scene_type);
        let count = random.random_range(3..=10_u32);
        let largest = SIDES.1.min(1.15 / (count as f32).sqrt());
        let mut wanted: Vec<_> = (0..count)
            .map(|_| {
                let class = scene_type.draw_class(&mut random);
                let number = random.random_range(0..pool.per_class() as u32) as usize;
                (class, number, Appearance::draw(side, (SIDES.0, largest), &mut random))
            })
            .collect();
        // The largest are hardest to place, and belong behind the small ones.
        wanted.sort_by(|one, other| other.2.pose.side.total_cmp(&one.2.pose.side));
        for (class, number, Appearance { mut pose, gain }) in wanted {
            let item = Item::new(&pool.pixels(class, number), gain);
            while pose.side >= 0.8 * SIDES.0 * side as f32 {
                if layout.place(class, &Cutout::new(&item, pose), &mut random) {
                    break;
                }
                pose.side *= 0.85;
            }
        }
        layout
    }

    /// One item in the middle of an image of `side` pixels, 3/5 to 19/20 of it.
    pub fn single(side: usize, class: usize, number: usize, pool: &Pool, mut random: Stream) -> Self {
        let mut layout = Self::empty(side, &SceneType::ALL[0]);
        let Appearance { pose, gain } = Appearance::draw(side, ICON_SIDES, &mut random);
        let cutout = Cutout::new(&Item::new(&pool.pixels(class, number), gain), pose);
        let reach = (side / 20) as i32;
        let middle = (side as i32 - cutout.side as i32) / 2;
        let mut corner = || middle + random.random_range(-reach..=reach);
        let (x, y) = (corner(), corner());
        layout.paste(class, &cutout, x, y);
        layout
    }

    fn empty(side: usize, scene_type: &'static SceneType) -> Self {
        let pixels = side * side;
        Self {
            side,
            scene_type,
            items: Vec::new(),
            owners: vec![0; pixels],
            coverage: vec![0.0; pixels],
            grey: vec![0.0; pixels],
        }
    }

    /// The tight boxes of what can be seen of each item.
    pub fn boxes(&self) -> Vec<BoundingBox> {
        let mut bounds = vec![(u32::MAX, u32::MAX, 0, 0); self.items.len()];
        for (y, row) in self.owners.chunks_exact(self.side).enumerate() {
            for (x, &owner) in row.iter().enumerate() {
                if owner > 0 {
                    let (left, top, right, bottom) = &mut bounds[usize::from(owner) - 1];
                    *left = (*left).min(x as u32);
                    *top = (*top).min(y as u32);
                    *right = x.max(*right as usize) as u32;
                    *bottom = y as u32;
                }
            }
        }
        bounds
            .into_iter()
            .map(|(left, top, right, bottom)| BoundingBox::new(left, top, right + 1 - left, bottom + 1 - top))
            .collect()
    }

    /// The image: the items before a texture.
    pub fn on(&self, texture: &[f32]) -> Vec<u8> {
        (self.grey.iter().zip(&self.coverage).zip(texture))
            .map(|((grey, coverage), behind)| (grey + (1.0 - coverage) * behind + 0.5) as u8)
            .collect()
    }

    /// Puts an item at the first of some random places where it hides little of the others.
    fn place(&mut self, class: usize, cutout: &Cutout, random: &mut Stream) -> bool {
        let covered: Vec<usize> = (0..cutout.coverage.len())
            .filter(|&pixel| cutout.covers(pixel))
            .map(|pixel| pixel / cutout.side * self.side + pixel % cutout.side)
            .collect();
        if covered.is_empty() {
            return false;
        }
        // The number of pixels that each may still lose; the background all.
        let spare: Vec<usize> = std::iter::once(usize::MAX)
            .chain(self.items.iter().map(|item| item.visible - (item.area as f32 * VISIBLE).ceil() as usize))
            .collect();
        let room = (self.side - cutout.side) as u32;
        for _ in 0..TRIES {
            let (x, y) = (random.random_range(0..=room), random.random_range(0..=room));
            let corner = y as usize * self.side + x as usize;
            let mut hidden = vec![0; spare.len()];
            let fits = covered.iter().all(|pixel| {
                let owner = usize::from(self.owners[corner + pixel]);
                hidden[owner] += 1;
                hidden[owner] <= spare[owner]
            });
            if fits {
                self.paste(class, cutout, x as i32, y as i32);
                return true;
            }
        }
        false
    }

    /// Draws an item before all others, its corner at (x, y); what is outside is cut off.
    fn paste(&mut self, class: usize, cutout: &Cutout, x: i32, y: i32) {
        let number = self.items.len() as u8 + 1;
        let mut area = 0;
        let inside = |at: i32| (0..self.side as i32).contains(&at).then_some(at as usize);
        for row in 0..cutout.side {
            let Some(line) = inside(y + row as i32) else { continue };
            for column in 0..cutout.side {
                let Some(at) = inside(x + column as i32) else { continue };
                let (from, to) = (row * cutout.side + column, line * self.side + at);
                let rest = 1.0 - cutout.coverage[from];
                self.coverage[to] = cutout.coverage[from] + rest * self.coverage[to];
                self.grey[to] = cutout.grey[from] + rest * self.grey[to];
                if cutout.covers(from) {
                    let before = std::mem::replace(&mut self.owners[to], number);
                    if before > 0 {
                        self.items[usize::from(before) - 1].visible -= 1;
                    }
                    area += 1;
                }
            }
        }
        self.items.push(Placed { class, area, visible: area });
    }
}

/// An item's pose and light.
struct Appearance {
    pose: Pose,
    /// Factor on its grey values.
    gain: f32,
}

impl Appearance {
    /// Draws a side between two shares of `side`, a turn of up to 15 degrees, and a light.
    fn draw(side: usize, (smallest, largest): (f32, f32), random: &mut Stream) -> Self {
        // tan(7.5 degrees)
        const HALF_TURN: f32 = 0.131_652_5;
        let pose = Pose {
            side: side as f32 * random.random_range(smallest..=largest),
            half_turn: random.random_range(-HALF_TURN..=HALF_TURN),
            mirrored: random.random(),
        };
        Self { pose, gain: random.random_range(GAINS.0..=GAINS.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::dataset::Split;
    use univip_core::seed::stream;

    #[test]
    fn items_stay_visible_whatever_the_size_of_the_scene() {
        let pool = &Pool::of(Split::Val, 0).unwrap();
        for (side, scenes) in [(32, 300), (128, 300), (320, 20)] {
            for index in 0..scenes {
                let layout = Layout::draw(side, pool, stream(0, "test", &[index]));
                assert!((3..=10).contains(&layout.items.len()), "{side} {index}");
                for (number, item) in layout.items.iter().enumerate() {
                    let seen = layout.owners.iter().filter(|&&owner| usize::from(owner) == number + 1);
                    let seen = seen.count();
                    assert_eq!(seen, item.visible);
                    let share = seen as f32 / item.area as f32;
                    assert!((VISIBLE..=1.0).contains(&share), "{side} {index}: {share}");
                }
            }
        }
    }

    #[test]
    fn a_class_is_drawn_as_often_as_its_weight_says() {
        let mut random = stream(0, "test", &[]);
        for scene_type in &SceneType::ALL {
            let mut counts = [0; CLASSES.len()];
            (0..4300).for_each(|_| counts[scene_type.draw_class(&mut random)] += 1);
            for (class, count) in counts.into_iter().enumerate() {
                // 1200 or 100 expected; five standard deviations.
                let expected = 100.0 * f64::from(scene_type.weight(class));
                assert!(
                    (f64::from(count) - expected).abs() < 5.0 * expected.sqrt(),
                    "{scene_type:?} {class}"
                );
            }
        }
    }
}
