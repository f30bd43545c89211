//! The things that backbones are built with, and the facts that are known of them before.

use crate::nn::Scope;

/// The things that a backbone is built with, besides its own table of the recipe.
pub struct BackboneContext {
    /// The place of its parameters; names come out as `backbone.<parameter>`.
    pub parameters: Scope,
    /// `network.width`: channels of its stem, by which all its channels grow.
    pub width: usize,
    /// `network.zero_init_residual`, where it has residual blocks.
    pub zero_init_residual: bool,
}

/// The facts of a kind of backbone that need no network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackboneFacts {
    /// Multiply-adds of a forward pass of one image of 224 x 224 pixels at width 64: how long runs take is estimated by it.
    pub multiply_adds: f64,
    /// The layers of the published residual network that it is, tensor for tensor, as torchvision, timm and detectron2 have it:
    /// what it can be exported to. None of any other backbone.
    pub residual_layers: Option<usize>,
}
