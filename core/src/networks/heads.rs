//! Heads: the small networks behind the backbone, chosen by name in a recipe.

use super::outputs::Place;
use crate::nn::{Mode, Scope};
use anyhow::Result;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, Table, distinct, is_plain, require};

/// BYOL's head that both networks have.
pub const PROJECTOR: &str = "projector";
/// BYOL's head behind the projector, online only.
pub const PREDICTOR: &str = "predictor";

/// A small network behind the backbone: a projector, a predictor.
pub trait Head: Send + Sync {
    /// The number of its output channels.
    fn size(&self) -> usize;

    /// The output for V views of B images, `[V B, ..]`; the last axis has [`Head::size`] channels.
    ///
    /// # Errors
    /// When the input has not the shape that the head was built for.
    fn forward(&self, input: &HeadInput<'_>, mode: Mode) -> Result<Tensor>;
}

/// The inputs of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadInput<'a> {
    /// The outputs of the places in `from`, in that order: `[V B, F]` of pooled features and most heads, `[V B, H, W, C]` of a
    /// stage.
    pub from: &'a [Tensor],
}

impl<'a> HeadInput<'a> {
    /// The one input of a head that reads one place.
    ///
    /// # Errors
    /// When it reads another number of them.
    pub fn one(&self) -> Result<&'a Tensor> {
        let [input] = self.from else {
            anyhow::bail!("the head reads one place, and `from` names {}", self.from.len());
        };
        Ok(input)
    }
}

/// The things that a head is built with, besides its own table of the recipe.
pub struct HeadContext {
    /// The place of its parameters; names come out as `<head>.<parameter>`.
    pub parameters: Scope,
    /// The channels of the places in `from`, in that order.
    pub inputs: Vec<usize>,
    /// `network.hidden`, the hidden units of a head that says nothing else.
    pub hidden: usize,
    /// `network.output`, the output channels of a head that says nothing else.
    pub output: usize,
}

/// `[heads]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadSettings {
    /// The heads, each behind those that it reads; `[head.<name>]` says what a head is.
    #[serde(rename = "use")]
    pub names: Vec<String>,
}

impl Default for HeadSettings {
    fn default() -> Self {
        Self { names: vec![PROJECTOR.into(), PREDICTOR.into()] }
    }
}

impl Config for HeadSettings {
    fn check(&self) -> Result<(), Invalid> {
        distinct("use", &self.names)?;
        for name in &self.names {
            let free = matches!(Place::named(name), Place::Head(_))
                && !["backbone", "loss"].contains(&name.as_str());
            require(free && is_plain(name), "use", || {
                format!(
                    "a head cannot be called `{name}`: expected letters, digits, - and _, and none of backbone, loss, pooled, stage1 to stage4"
                )
            })?;
        }
        Ok(())
    }
}

/// The engine's own keys of `[head.<name>]`; the others are the plugin's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadPlacement {
    /// A head plugin. Where it is another than the inherited one, none of that one's settings are inherited.
    pub plugin: String,
    /// The inputs of the head: `pooled`, `stage1` to `stage4`, or heads that are listed before it.
    pub from: Vec<String>,
    /// True for a head that the target network has too.
    pub twin: bool,
}

impl HeadPlacement {
    /// The keys of this struct, which the plugin's own settings do not have.
    pub const KEYS: &'static [&'static str] = &["plugin", "from", "twin"];

    /// The plugin of a head that names none.
    pub const PLUGIN: &'static str = "mlp";

    /// Reads `[head.<name>]`. Keys that it does not have take those of BYOL: a `predictor` stands behind the `projector`,
    /// online only; any other head reads the pooled features and has a twin.
    ///
    /// # Errors
    /// [`RecipeError`](univip_stdx::config::RecipeError), naming the file and the key.
    pub fn read(name: &str, table: &Table) -> Result<Self> {
        let Given { plugin, from, twin } = table.read()?;
        let predictor = name == PREDICTOR;
        let source = if predictor { PROJECTOR } else { "pooled" };
        Ok(Self {
            plugin: plugin.unwrap_or_else(|| Self::PLUGIN.into()),
            from: from.unwrap_or_else(|| vec![source.into()]),
            twin: twin.unwrap_or(!predictor),
        })
    }

    /// [`HeadPlacement::from`] by place.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.from.iter().map(|name| Place::named(name))
    }
}

/// [`HeadPlacement`] as a recipe says it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Given {
    plugin: Option<String>,
    from: Option<Vec<String>>,
    twin: Option<bool>,
}

impl Config for Given {}

/// Makes a head from where its parameters live and what it reads.
pub type BuildHead = dyn Fn(HeadContext) -> Result<Box<dyn Head>>;

/// A head of the recipe, yet to be built.
pub struct HeadPlan {
    /// Its name in `heads.use`.
    pub name: String,
    /// Its place.
    pub placement: HeadPlacement,
    /// Makes it; twice where the target network has it too.
    pub build: Box<BuildHead>,
}
