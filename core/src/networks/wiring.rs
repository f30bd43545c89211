//! Checks that every output which a loss asks for is given, before anything is built.

use super::heads::HeadPlacement;
use super::outputs::{Needs, Output, Place, Side, with_sources};
use crate::error::suggest;
use crate::views::{Group, INSTANCE};
use std::collections::BTreeSet;

/// The groups of views and the heads of a recipe.
#[derive(Debug, Clone, Copy)]
pub struct Wiring<'a> {
    /// The view sampler's groups.
    pub groups: &'a [Group],
    /// The heads by name, in the order of `heads.use`.
    pub heads: &'a [(String, HeadPlacement)],
    /// `network.running_statistics`
    pub running_statistics: &'a [String],
}

/// A key of the recipe and what is wrong with its value.
pub type Miswired = (String, String);

impl Wiring<'_> {
    /// Refuses losses, by name and needs, that ask for what nothing gives, and heads that nothing reads.
    ///
    /// # Errors
    /// The key at fault and the problem, with what is known.
    pub fn check(&self, losses: &[(String, Needs)]) -> Result<(), Miswired> {
        self.check_heads()?;
        self.check_running_statistics()?;
        for (loss, needs) in losses {
            for output in needs {
                self.check_output(output).map_err(|(key, problem)| {
                    (key, format!("the loss `{loss}` asks for {output}: {problem}"))
                })?;
            }
        }
        let read = self.required(losses.iter().flat_map(|(_, needs)| needs).map(|output| &output.place));
        let idle = self.heads.iter().find(|(name, _)| !read.contains(&Place::Head(name.clone())));
        match idle {
            Some((name, _)) if !losses.is_empty() => {
                let problem = format!(
                    "no loss reads the head `{name}`, so that nothing would train it: take it out of heads.use"
                );
                Err(("heads.use".into(), problem))
            }
            _ => Ok(()),
        }
    }

    /// `places` and all that they are made of.
    pub fn required<'p>(&self, places: impl Iterator<Item = &'p Place>) -> BTreeSet<Place> {
        let heads = self.heads.iter().map(|(name, placement)| (name.as_str(), placement.places()));
        with_sources(places.cloned().collect(), heads.rev())
    }

    fn check_heads(&self) -> Result<(), Miswired> {
        for (position, (name, placement)) in self.heads.iter().enumerate() {
            let key = format!("head.{name}.from");
            if placement.from.is_empty() {
                return Err((key, "expected at least one place, such as `pooled`".into()));
            }
            for place in placement.places() {
                let Place::Head(source) = &place else { continue };
                let before = &self.heads[..position];
                let Some((_, read)) = before.iter().find(|(known, _)| known == source) else {
                    let mut known = vec!["pooled", "stage1", "stage2", "stage3", "stage4"];
                    known.extend(before.iter().map(|(name, _)| name.as_str()));
                    let hint = suggest(source, &known);
                    let problem = format!("`{source}` is no place before `{name}` in heads.use; {hint}");
                    return Err((key, problem));
                };
                if placement.twin && !read.twin {
                    let problem = format!(
                        "`{name}` has a twin in the target network and reads `{source}`, which has none: set \
                         head.{name}.twin = false or head.{source}.twin = true"
                    );
                    return Err((key, problem));
                }
            }
        }
        Ok(())
    }

    fn check_running_statistics(&self) -> Result<(), Miswired> {
        let known: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
        let unknown = self.running_statistics.iter().find(|name| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| {
            let problem = format!(
                "the view sampler has no group `{name}`; {}; [] stands for all",
                suggest(name, &known)
            );
            Err(("network.running_statistics".into(), problem))
        })
    }

    fn check_output(&self, output: &Output) -> Result<(), Miswired> {
        if !self.groups.iter().any(|group| group.name == output.group) {
            let known: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
            if output.group.starts_with(INSTANCE) && !known.iter().any(|name| name.starts_with(INSTANCE)) {
                let problem = "K = 0, and the view sampler has no instances; set it to 1 or more";
                return Err(("views.instances".into(), problem.into()));
            }
            let problem = format!("the view sampler has no such group; {}", suggest(&output.group, &known));
            return Err(("views.use".into(), problem));
        }
        let Place::Head(name) = &output.place else { return Ok(()) };
        let Some((_, placement)) = self.heads.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = self.heads.iter().map(|(name, _)| name.as_str()).collect();
            return Err(("heads.use".into(), format!("there is no such head; {}", suggest(name, &known))));
        };
        match (output.side, placement.twin) {
            (Side::Target, false) => {
                let problem = format!("the target network has no `{name}`: set head.{name}.twin = true");
                Err((format!("head.{name}.twin"), problem))
            }
            _ => Ok(()),
        }
    }
}
