//! Networks and their operations against PyTorch's numbers; `fixtures/nn/make.py` made them.

mod candle;
mod differences;
mod heads;
mod on_tensors;
mod operations;
mod participants;
mod replicas;
mod roles;
mod synchronised;
mod threads;
mod updates;

use candle_core::{Device, Tensor, Var};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The tensors of `fixtures/nn/<name>.safetensors`.
fn fixture(name: &str) -> HashMap<String, Tensor> {
    let path = format!("{}/tests/fixtures/nn/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    candle_core::safetensors::load(&path, &Device::Cpu).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One case of a fixture: settings in its name, tensors named `<case>/<tensor>`.
struct Case {
    name: String,
    tensors: HashMap<String, Tensor>,
}

impl Case {
    /// All cases of a fixture.
    fn all(fixture_name: &str) -> Vec<Case> {
        let mut tensors = fixture(fixture_name);
        let names: BTreeSet<String> =
            tensors.keys().filter_map(|key| Some(key.split_once('/')?.0.to_owned())).collect();
        let mut case = |name: String| {
            let prefix = format!("{name}/");
            let own: Vec<String> = tensors.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
            let own =
                own.into_iter().map(|key| (key[prefix.len()..].to_owned(), tensors.remove(&key).unwrap()));
            Case { tensors: own.collect(), name }
        };
        names.into_iter().map(&mut case).collect()
    }

    /// The number after `key` in the case's name.
    fn setting(&self, key: &str) -> usize {
        let mut words = self.name.split(' ').filter_map(|word| word.strip_prefix(key)?.parse().ok());
        words.next().unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    fn get(&self, key: &str) -> &Tensor {
        &self.tensors[key]
    }

    fn var(&self, key: &str) -> Var {
        Var::from_tensor(self.get(key)).unwrap()
    }

    /// Checks `found` against the tensor `key`.
    fn check(&self, key: &str, found: &Tensor) {
        assert_close(found, self.get(key), 1e-5, &format!("{} {key}", self.name));
    }
}

/// Asserts that every value is within `tolerance` of `expected`, relative to the largest of `expected`.
fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (numbers(found), numbers(expected));
    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * largest, "{what}: value {at} is {found}, expected {expected}");
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradients of `sum(y * g)` with respect to the named variables.
fn gradients(y: &Tensor, g: &Tensor, variables: &[(&str, &Tensor)]) -> BTreeMap<String, Tensor> {
    let store = (y * g).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = |(name, var): &(&str, &Tensor)| {
        let gradient = store.get(var).unwrap_or_else(|| panic!("no gradient of {name}"));
        ((*name).to_owned(), gradient.clone())
    };
    variables.iter().map(gradient).collect()
}

/// Reproducible values around 0, of a scale near 1.
fn noise(shape: &[usize], seed: u64) -> Tensor {
    use rand::Rng;
    let mut stream = univip_stdx::seed::stream(seed, "test", &[]);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
