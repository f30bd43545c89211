//! The outputs of the networks by name: what losses ask for.

use std::collections::BTreeSet;
use std::fmt;

/// The outputs that losses ask for. The networks compute their union once, and nothing else.
pub type Needs = BTreeSet<Output>;

/// One output of one network for one group of views.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Output {
    /// A group of the view sampler.
    pub group: String,
    /// One of the two networks.
    pub side: Side,
    /// The place in that network.
    pub place: Place,
}

impl Output {
    /// An output of the online network. `place` is read by [`Place::named`].
    pub fn online(group: &str, place: &str) -> Self {
        Self { group: group.into(), side: Side::Online, place: Place::named(place) }
    }

    /// An output of the target network, without a gradient. `place` is read by [`Place::named`].
    pub fn target(group: &str, place: &str) -> Self {
        Self { group: group.into(), side: Side::Target, place: Place::named(place) }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the {} network for the group `{}`", self.place, self.side, self.group)
    }
}

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that learns.
    Online,
    /// Its moving average (Eq. 1).
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Online => "online",
            Side::Target => "target",
        })
    }
}

/// A place in a network whose output can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The feature map of one of the backbone's stages, from 1. `[B, H, W, C]`.
    Stage(usize),
    /// The backbone's last map averaged over all positions. `[B, F]`.
    Pooled,
    /// A head of the recipe's `heads.use`.
    Head(String),
}

impl Place {
    /// `stage1` to `stage4`, `pooled`, or else a head.
    pub fn named(name: &str) -> Self {
        match name {
            "pooled" => Place::Pooled,
            "stage1" => Place::Stage(1),
            "stage2" => Place::Stage(2),
            "stage3" => Place::Stage(3),
            "stage4" => Place::Stage(4),
            head => Place::Head(head.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Stage(number) => write!(f, "stage{number}"),
            Place::Pooled => f.write_str("pooled"),
            Place::Head(name) => f.write_str(name),
        }
    }
}

/// `places` and all that they are made of, directly or not. The heads come with what each reads, the last one first: since they
/// read only heads before them, once through is enough.
pub(super) fn with_sources<'h, S: IntoIterator<Item = Place>>(
    mut places: BTreeSet<Place>,
    heads: impl Iterator<Item = (&'h str, S)>,
) -> BTreeSet<Place> {
    for (name, sources) in heads {
        if places.contains(&Place::Head(name.into())) {
            places.extend(sources);
        }
    }
    places
}
