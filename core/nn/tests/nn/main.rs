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
mod values;

use candle_core::{Device, Tensor, Var};
use std::collections::{BTreeSet, HashMap};
use values::assert_close;

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
