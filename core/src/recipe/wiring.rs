//! Groups of views, heads and the outputs that losses ask for: what a recipe's parts expect of each other.

use super::Recipe;
use crate::error::{RecipeError, suggest};
use crate::networks::{HeadPlacement, Needs, NetworkSettings, Wiring};
use crate::nn::BackbonePlan;
use crate::registry::{Kind, Registration, Registry};
use crate::views::{Group, ViewContext};
use anyhow::Result;
use serde_json::Value;
use univip_stdx::config::Table;

impl Recipe {
    /// The inputs of the view sampler's builder.
    pub fn view_context(&self) -> ViewContext {
        ViewContext {
            views: self.settings.views.clone(),
            limits: self.settings.proposals.limits,
            instance_batch_norm: self.settings.network.instance_batch_norm,
        }
    }

    /// The view sampler's groups.
    ///
    /// # Errors
    /// [`RecipeError`] when the sampler is not known or refuses its table.
    pub fn groups(&self, registry: &Registry) -> Result<Vec<Group>> {
        let views = &self.settings.views.name;
        let plugin = registry.get(Kind::Views, views, &self.origin("views.use"), "views.use")?;
        Ok(plugin.views(&self.table(Kind::Views, views), self.view_context())?.groups())
    }

    /// The backbone.
    ///
    /// # Errors
    /// [`RecipeError`] when it is not known.
    pub fn backbone(&self, registry: &Registry) -> Result<BackbonePlan> {
        let NetworkSettings { backbone: name, width, zero_init_residual, .. } = &self.settings.network;
        let key = "network.backbone";
        let plugin = registry.get(Kind::Backbone, name, &self.origin(key), key)?;
        Ok(plugin.backbone_plan(self.table(Kind::Backbone, name), *width, *zero_init_residual))
    }

    /// The outputs that each loss asks for, by its name.
    ///
    /// # Errors
    /// [`RecipeError`] when a loss is not known or refuses its table.
    pub fn needs(&self, registry: &Registry) -> Result<Vec<(String, Needs)>> {
        let needs = |name: &String| {
            let plugin = registry.get(Kind::Loss, name, &self.origin("losses.use"), "losses.use")?;
            Ok((name.clone(), plugin.needs(&self.table(Kind::Loss, name))?))
        };
        self.settings.losses.names.iter().map(needs).collect()
    }

    /// The placement of a head, its plugin, and the table of the plugin's own settings.
    ///
    /// # Errors
    /// [`RecipeError`] when its table names no plugin, or a key has a wrong type.
    pub fn head(
        &self,
        name: &str,
        registry: &Registry,
    ) -> Result<(HeadPlacement, &'static Registration, Table)> {
        let table = self.table(Kind::Head, name);
        let placement = HeadPlacement::read(name, &table)?;
        let (origin, key) = (table.origin("plugin"), table.key("plugin"));
        let plugin = registry.get(Kind::Head, &placement.plugin, &origin, &key)?;
        Ok((placement, plugin, table.without(HeadPlacement::KEYS)))
    }

    /// Every key of `[head.<name>]`, defaults filled in.
    pub(super) fn resolved_head(&self, name: &str, registry: &Registry) -> Result<Value> {
        let (placement, plugin, table) = self.head(name, registry)?;
        let mut values = serde_json::to_value(placement)?;
        if let (Some(all), Value::Object(own)) = (values.as_object_mut(), (plugin.resolve)(&table)?) {
            all.extend(own);
        }
        Ok(values)
    }

    /// Refuses losses that ask for what neither views nor heads give, heads that nothing reads, and augmentations that no
    /// view has.
    pub(super) fn check_wiring(&self, registry: &Registry) -> Result<()> {
        let groups = self.groups(registry)?;
        let names = self.settings.heads.names.iter();
        let heads = names.map(|name| Ok((name.clone(), self.head(name, registry)?.0)));
        let heads: Vec<_> = heads.collect::<Result<_>>()?;
        let running_statistics = &self.settings.network.running_statistics;
        let wiring = Wiring { groups: &groups, heads: &heads, running_statistics };
        wiring.check(&self.needs(registry)?).map_err(|(key, problem)| self.error(&key, problem))?;
        Ok(self.check_augmentations(&groups)?)
    }

    fn check_augmentations(&self, groups: &[Group]) -> Result<(), RecipeError> {
        let known: Vec<&str> = self.settings.augment.views.keys().map(String::as_str).collect();
        let mut used: Vec<&str> =
            groups.iter().flat_map(|group| &group.augment).map(String::as_str).collect();
        used.sort_unstable();
        used.dedup();
        if let Some(missing) = used.iter().find(|name| !known.contains(name)) {
            let hint = suggest(missing, &known);
            let problem =
                format!("the view sampler augments views by `{missing}`, which is not there; {hint}");
            return Err(self.error("augment", problem));
        }
        // Every recipe has view1 and view2, whether its views are augmented by them or not.
        let idle = known.iter().find(|name| !used.contains(name) && !["view1", "view2"].contains(name));
        let Some(name) = idle else { return Ok(()) };
        let problem = format!("no view is augmented by it; {}", suggest(name, &used));
        Err(self.error(&format!("augment.{name}"), problem))
    }
}
