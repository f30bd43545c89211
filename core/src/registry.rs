//! The plugins linked into this binary, found through `inventory`.

use crate::dataset::{Dataset, Split};
use crate::error::{RecipeError, suggest};
use crate::evaluate::Evaluator;
use crate::loss::{Loss, LossContext};
use crate::networks::{BackboneContext, BackboneFacts, Head, HeadContext, Needs, NetworkSettings};
use crate::nn::backbone_file::Architecture;
use crate::nn::{Backbone, BackbonePlan};
use crate::proposals::ProposalSource;
use crate::views::{ViewContext, ViewSampler};
use anyhow::{Result, bail};
use univip_stdx::config::{Config, Table};

/// The plugins of a binary, sorted by kind and name.
pub struct Registry(Vec<&'static Registration>);

impl Registry {
    /// Everything linked into this binary.
    ///
    /// # Errors
    /// When two crates register the same name for the same kind.
    pub fn linked() -> Result<Self> {
        Self::of(inventory::iter::<Registration>.into_iter().collect())
    }

    fn of(mut all: Vec<&'static Registration>) -> Result<Self> {
        all.sort_by_key(|entry| (entry.kind(), entry.name, entry.crate_name));
        for pair in all.windows(2) {
            let [one, other] = pair else { continue };
            if one.kind() == other.kind() && one.name == other.name {
                bail!(
                    "{} `{}` is registered twice, by the crates {} {} and {} {}: unlink one or rename its plugin",
                    one.kind().name(),
                    one.name,
                    one.crate_name,
                    one.version,
                    other.crate_name,
                    other.version
                );
            }
        }
        Ok(Self(all))
    }

    /// All plugins, sorted by kind and name.
    pub fn all(&self) -> &[&'static Registration] {
        &self.0
    }

    /// The names of a kind, sorted.
    pub fn names(&self, kind: Kind) -> Vec<&'static str> {
        self.0.iter().filter(|entry| entry.kind() == kind).map(|entry| entry.name).collect()
    }

    /// True for a dotted key of a recipe that is one of the [`Config::PLACES`].
    pub fn is_place(&self, key: &str) -> bool {
        self.places().any(|place| place == key)
    }

    /// The dotted keys of all [`Config::PLACES`]: of the engine's sections, of which one has any, and of the plugins' tables.
    pub fn places(&self) -> impl Iterator<Item = String> {
        let of = |entry: &&'static Registration| {
            let (kind, name) = (entry.kind().name(), entry.name);
            entry.places.iter().map(move |key| format!("{kind}.{name}.{key}"))
        };
        let own = NetworkSettings::PLACES.iter().map(|key| format!("network.{key}"));
        own.chain(self.0.iter().flat_map(of))
    }

    /// The backbones of this binary, with the defaults of their own tables: what a file of tensors may hold.
    pub fn architectures(&self) -> Vec<Architecture> {
        let of = |plugin: &&'static Registration| -> Architecture {
            let plugin = *plugin;
            Box::new(move |width| plugin.backbone_plan(Table::of(""), width, false))
        };
        self.0.iter().filter(|entry| entry.kind() == Kind::Backbone).map(of).collect()
    }

    /// The plugin of that kind and name.
    ///
    /// # Errors
    /// A [`RecipeError`] with what is known and what may have been meant. `origin` and `key` say where
    /// the name was read.
    pub fn get(
        &self,
        kind: Kind,
        name: &str,
        origin: &str,
        key: &str,
    ) -> Result<&'static Registration, RecipeError> {
        if let Some(entry) = self.0.iter().find(|entry| entry.kind() == kind && entry.name == name) {
            return Ok(entry);
        }
        let problem = format!("unknown {} `{name}`; {}", kind.name(), suggest(name, &self.names(kind)));
        Err(RecipeError { origin: origin.into(), key: key.into(), problem })
    }
}

/// A kind of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A [`Backbone`].
    Backbone,
    /// A [`Dataset`].
    Dataset,
    /// An [`Evaluator`].
    Evaluator,
    /// A [`Head`].
    Head,
    /// A [`Loss`].
    Loss,
    /// A [`ProposalSource`].
    Proposals,
    /// A [`ViewSampler`].
    Views,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Backbone,
        Kind::Dataset,
        Kind::Evaluator,
        Kind::Head,
        Kind::Loss,
        Kind::Proposals,
        Kind::Views,
    ];

    /// As people say it, and as recipes name the tables of its parameters: `[loss.instance]`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Backbone => "backbone",
            Kind::Dataset => "dataset",
            Kind::Evaluator => "evaluator",
            Kind::Head => "head",
            Kind::Loss => "loss",
            Kind::Proposals => "proposal",
            Kind::Views => "view",
        }
    }
}

/// One plugin as it registered itself.
pub struct Registration {
    /// The name in recipes.
    pub name: &'static str,
    /// One line of what it is.
    pub summary: &'static str,
    /// The crate that registered it.
    pub crate_name: &'static str,
    /// That crate's version.
    pub version: &'static str,
    /// [`Config::PLACES`] of its table.
    pub places: &'static [&'static str],
    /// Checks a recipe table and returns it with every default filled in.
    pub resolve: fn(&Table) -> Result<serde_json::Value>,
    /// Makes it.
    pub build: Build,
}

inventory::collect!(Registration);

impl Registration {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.build {
            Build::Backbone { .. } => Kind::Backbone,
            Build::Dataset(_) => Kind::Dataset,
            Build::Evaluator(_) => Kind::Evaluator,
            Build::Head(_) => Kind::Head,
            Build::Loss { .. } => Kind::Loss,
            Build::Proposals(_) => Kind::Proposals,
            Build::Views(_) => Kind::Views,
        }
    }
}

/// The function that makes a plugin from its table of the recipe.
pub enum Build {
    /// Makes a [`Backbone`].
    Backbone {
        /// The facts that are known of it before it is made.
        facts: BackboneFacts,
        /// Makes it.
        build: fn(&Table, BackboneContext) -> Result<Box<dyn Backbone>>,
    },
    /// Makes a [`Dataset`].
    Dataset(fn(&Table, Split) -> Result<Box<dyn Dataset>>),
    /// Makes an [`Evaluator`].
    Evaluator(fn(&Table) -> Result<Box<dyn Evaluator>>),
    /// Makes a [`Head`].
    Head(fn(&Table, HeadContext) -> Result<Box<dyn Head>>),
    /// Makes a [`Loss`].
    Loss {
        /// The outputs that it reads.
        needs: fn(&Table) -> Result<Needs>,
        /// Makes it.
        build: fn(&Table, LossContext) -> Result<Box<dyn Loss>>,
    },
    /// Makes a [`ProposalSource`].
    Proposals(fn(&Table) -> Result<Box<dyn ProposalSource>>),
    /// Makes a [`ViewSampler`].
    Views(fn(&Table, ViewContext) -> Result<Box<dyn ViewSampler>>),
}

macro_rules! builder {
    ($method:ident, $variant:ident, $product:ty $(, $argument:ident: $type:ty)?) => {
        impl Registration {
            /// Makes the plugin, which must be of this kind.
            pub fn $method(&self, table: &Table $(, $argument: $type)?) -> Result<Box<$product>> {
                match self.build {
                    Build::$variant(build) => build(table $(, $argument)?),
                    _ => bail!("`{}` is a {}", self.name, self.kind().name()),
                }
            }
        }
    };
}
builder!(dataset, Dataset, dyn Dataset, split: Split);
builder!(evaluator, Evaluator, dyn Evaluator);
builder!(head, Head, dyn Head, context: HeadContext);
builder!(proposals, Proposals, dyn ProposalSource);
builder!(views, Views, dyn ViewSampler, context: ViewContext);

impl Registration {
    /// Makes the backbone, which this must be.
    pub fn backbone(&self, table: &Table, context: BackboneContext) -> Result<Box<dyn Backbone>> {
        match self.build {
            Build::Backbone { build, .. } => build(table, context),
            _ => bail!("`{}` is a {}", self.name, self.kind().name()),
        }
    }

    /// The plan of the backbone, which this must be.
    pub fn backbone_plan(
        &'static self,
        table: Table,
        width: usize,
        zero_init_residual: bool,
    ) -> BackbonePlan {
        BackbonePlan::new(self.name, width, move |scope| {
            self.backbone(&table, BackboneContext { parameters: scope.clone(), width, zero_init_residual })
        })
    }

    /// The facts of the backbone, which this must be.
    pub fn backbone_facts(&self) -> Result<BackboneFacts> {
        match self.build {
            Build::Backbone { facts, .. } => Ok(facts),
            _ => bail!("`{}` is a {}", self.name, self.kind().name()),
        }
    }

    /// Makes the loss, which this must be.
    pub fn loss(&self, table: &Table, context: LossContext) -> Result<Box<dyn Loss>> {
        match self.build {
            Build::Loss { build, .. } => build(table, context),
            _ => bail!("`{}` is a {}", self.name, self.kind().name()),
        }
    }

    /// The outputs that the loss, which this must be, reads, as its table says.
    pub fn needs(&self, table: &Table) -> Result<Needs> {
        match self.build {
            Build::Loss { needs, .. } => needs(table),
            _ => bail!("`{}` is a {}", self.name, self.kind().name()),
        }
    }
}

/// A backbone that recipes can name: implement it and call [`crate::register_backbone!`].
pub trait BackbonePlugin: Backbone + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// The facts that are known of it before it is made.
    const FACTS: BackboneFacts;
    /// Makes it, and its parameters.
    fn build(config: Self::Config, context: BackboneContext) -> Result<Self>;
}

/// A dataset that recipes can name: implement it and call [`crate::register_dataset!`].
pub trait DatasetPlugin: Dataset + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// Opens one split.
    fn build(config: Self::Config, split: Split) -> Result<Self>;
}

/// An evaluator that recipes can name: implement it and call [`crate::register_evaluator!`].
pub trait EvaluatorPlugin: Evaluator + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// Makes it.
    fn build(config: Self::Config) -> Result<Self>;
}

/// A head that recipes can name: implement it and call [`crate::register_head!`].
pub trait HeadPlugin: Head + Sized + 'static {
    /// Its table of the recipe, but for [`HeadPlacement`](crate::networks::HeadPlacement)'s keys.
    type Config: Config;
    /// Makes it, and its parameters.
    fn build(config: Self::Config, context: HeadContext) -> Result<Self>;
}

/// A loss that recipes can name: implement it and call [`crate::register_loss!`].
pub trait LossPlugin: Loss + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// The outputs that it reads; the networks compute no others.
    fn needs(config: &Self::Config) -> Needs;
    /// Makes it, and its parameters.
    fn build(config: Self::Config, context: LossContext) -> Result<Self>;
}

/// A proposal source that recipes can name: implement it and call [`crate::register_proposals!`].
pub trait ProposalPlugin: ProposalSource + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// Makes it.
    fn build(config: Self::Config) -> Result<Self>;
}

/// A view sampler that recipes can name: implement it and call [`crate::register_views!`].
pub trait ViewPlugin: ViewSampler + Sized + 'static {
    /// Its table of the recipe.
    type Config: Config;
    /// Makes it.
    fn build(config: Self::Config, context: ViewContext) -> Result<Self>;
}

/// `register_backbone!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_backbone {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(
            BackbonePlugin,
            $name,
            $type,
            $summary,
            Backbone { facts, build: |table, context| context }
        );
    };
}

/// `register_dataset!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_dataset {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(DatasetPlugin, $name, $type, $summary, Dataset(|table, split| split));
    };
}

/// `register_evaluator!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_evaluator {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(EvaluatorPlugin, $name, $type, $summary, Evaluator(|table|));
    };
}

/// `register_head!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_head {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(HeadPlugin, $name, $type, $summary, Head(|table, context| context));
    };
}

/// `register_loss!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_loss {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(
            LossPlugin,
            $name,
            $type,
            $summary,
            Loss { needs, build: |table, context| context }
        );
    };
}

/// `register_proposals!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_proposals {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(ProposalPlugin, $name, $type, $summary, Proposals(|table|));
    };
}

/// `register_views!("name", Type, "one line of what it is");`
#[macro_export]
macro_rules! register_views {
    ($name:literal, $type:ty, $summary:literal) => {
        $crate::register!(ViewPlugin, $name, $type, $summary, Views(|table, context| context));
    };
}

/// The common part of the `register_*!` macros.
#[doc(hidden)]
#[macro_export]
macro_rules! register {
    ($plugin:ident, $name:literal, $type:ty, $summary:literal,
     $variant:ident(|$table:ident $(, $argument:ident)?| $($pass:ident)?)) => {
        $crate::register!(@submit $plugin, $name, $type, $summary, $crate::registry::Build::$variant(
            |$table $(, $argument)?| {
                Ok(Box::new(<$type as $crate::registry::$plugin>::build($table.read()? $(, $pass)?)?))
            },
        ));
    };
    ($plugin:ident, $name:literal, $type:ty, $summary:literal,
     $variant:ident { needs, build: |$table:ident, $argument:ident| $pass:ident }) => {
        $crate::register!(@submit $plugin, $name, $type, $summary, $crate::registry::Build::$variant {
            needs: |$table| Ok(<$type as $crate::registry::$plugin>::needs(&$table.read()?)),
            build: |$table, $argument| {
                Ok(Box::new(<$type as $crate::registry::$plugin>::build($table.read()?, $pass)?))
            },
        });
    };
    ($plugin:ident, $name:literal, $type:ty, $summary:literal,
     $variant:ident { facts, build: |$table:ident, $argument:ident| $pass:ident }) => {
        $crate::register!(@submit $plugin, $name, $type, $summary, $crate::registry::Build::$variant {
            facts: <$type as $crate::registry::$plugin>::FACTS,
            build: |$table, $argument| {
                Ok(Box::new(<$type as $crate::registry::$plugin>::build($table.read()?, $pass)?))
            },
        });
    };
    (@submit $plugin:ident, $name:literal, $type:ty, $summary:literal, $build:expr) => {
        $crate::inventory::submit! {
            $crate::registry::Registration {
                name: $name,
                summary: $summary,
                crate_name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                places: <<$type as $crate::registry::$plugin>::Config as $crate::config::Config>::PLACES,
                resolve: |table| table.resolve::<<$type as $crate::registry::$plugin>::Config>(),
                build: $build,
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn loss(name: &'static str, crate_name: &'static str) -> Registration {
        let build = Build::Loss { needs: |_| Ok(Needs::new()), build: |_, _| bail!("nobody makes it") };
        Registration {
            name,
            summary: "",
            crate_name,
            version: "1.2.3",
            places: &[],
            resolve: |_| Ok(serde_json::Value::Null),
            build,
        }
    }

    static ONE: Registration = loss("pull", "one");
    static OTHER: Registration = loss("push", "other");
    static TWIN: Registration = loss("pull", "twin");

    #[test]
    fn plugins_are_listed_by_name_whatever_order_the_linker_had() {
        for linked in [vec![&ONE, &OTHER], vec![&OTHER, &ONE]] {
            assert_eq!(Registry::of(linked).unwrap().names(Kind::Loss), ["pull", "push"]);
        }
    }

    #[test]
    fn one_name_of_two_crates_is_refused_naming_both() {
        let error = Registry::of(vec![&TWIN, &OTHER, &ONE]).err().unwrap().to_string();
        for part in ["loss `pull`", "one 1.2.3", "twin 1.2.3", "rename"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
