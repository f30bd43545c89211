//! The parts of TensorFlow's `event.proto` and `summary.proto` that a scalar needs.

use prost::Message;

/// A record of an event file.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(crate) wall_time: f64,
    /// The step that it belongs to.
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    /// In the first record of a file only.
    #[prost(string, optional, tag = "3")]
    pub(crate) file_version: Option<String>,
    /// Values by tag.
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    /// Optional, so that a zero is written: in the original message it is one of several kinds of value.
    #[prost(float, optional, tag = "2")]
    pub(crate) simple_value: Option<f32>,
}

impl Event {
    /// The record that opens every event file.
    pub fn version(wall_time: f64) -> Self {
        Self { wall_time, file_version: Some("brain.Event:2".into()), ..Self::default() }
    }

    /// A number at a step.
    pub fn scalar(wall_time: f64, step: u64, tag: &str, value: f32) -> Self {
        let value = Value { tag: tag.into(), simple_value: Some(value) };
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        Self { wall_time, step, summary: Some(Summary { value: vec![value] }), ..Self::default() }
    }
}
