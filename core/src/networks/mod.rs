//! The online and the target network, their heads, and their outputs by name.

mod backbones;
mod encoder;
pub mod features;
pub mod heads;
mod outputs;
mod pair;
mod settings;
pub mod target;
mod wiring;

pub use backbones::{BackboneContext, BackboneFacts};
pub use features::Features;
pub use heads::{Head, HeadContext, HeadInput, HeadPlacement, HeadPlan, HeadSettings, PREDICTOR, PROJECTOR};
pub use outputs::{Needs, Output, Place, Side};
pub use pair::{NetworkParts, Networks, leaves_threads_idle};
pub use settings::{NetworkSettings, TargetSchedule, TargetSettings};
pub use wiring::Wiring;
