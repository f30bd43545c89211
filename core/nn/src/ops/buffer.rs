//! Memory that is used again: fresh pages cost more than most passes over them.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A vector of values whose memory goes to the next buffer of about the same size when it is dropped.
pub(super) struct Buffer {
    memory: Vec<f32>,
    length: usize,
}

impl Buffer {
    /// Values that are whatever was there before: for results that are written from end to end.
    pub(super) fn stale(length: usize) -> Self {
        let memory = match length {
            0..SMALLEST => vec![0.0; length],
            _ => store().take(length),
        };
        Self { memory, length }
    }

    /// Zeros.
    pub(super) fn zeros(length: usize) -> Self {
        let mut buffer = Self::stale(length);
        buffer.fill(0.0);
        buffer
    }

    /// A copy.
    pub(super) fn of(values: &[f32]) -> Self {
        let mut buffer = Self::stale(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.length >= SMALLEST {
            store().put(std::mem::take(&mut self.memory));
        }
    }
}

/// The values below which the allocator does as well.
const SMALLEST: usize = 1 << 14;

/// Free buffers, by length.
///
/// Buffers in use and free ones together never exceed the most that was ever in use at once: a program with
/// networks of many sizes holds no more than its largest needs.
struct Store {
    free: BTreeMap<usize, Vec<Vec<f32>>>,
    free_values: usize,
    used_values: usize,
    most_used: usize,
}

fn store() -> MutexGuard<'static, Store> {
    static STORE: Mutex<Store> =
        Mutex::new(Store { free: BTreeMap::new(), free_values: 0, used_values: 0, most_used: 0 });
    // A panic while the lock is held can at worst lose memory that was free.
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// A vector of at least `length` values, at most a quarter more.
    fn take(&mut self, length: usize) -> Vec<f32> {
        let fitting = self.free.range(length..=length + length / 4).next().map(|(length, _)| *length);
        let memory = match fitting.and_then(|length| self.remove(length)) {
            Some(memory) => memory,
            None => {
                while self.used_values + self.free_values + length > self.most_used {
                    let Some((&largest, _)) = self.free.last_key_value() else { break };
                    self.remove(largest);
                }
                vec![0.0; length]
            }
        };
        self.used_values += memory.len();
        self.most_used = self.most_used.max(self.used_values);
        memory
    }

    fn put(&mut self, memory: Vec<f32>) {
        self.used_values -= memory.len();
        self.free_values += memory.len();
        self.free.entry(memory.len()).or_default().push(memory);
    }

    fn remove(&mut self, length: usize) -> Option<Vec<f32>> {
        let same = self.free.get_mut(&length)?;
        let memory = same.pop();
        if same.is_empty() {
            self.free.remove(&length);
        }
        self.free_values -= memory.as_ref().map_or(0, Vec::len);
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_no_more_is_held_than_was_ever_in_use() {
        let mut store = Store { free: BTreeMap::new(), free_values: 0, used_values: 0, most_used: 0 };
        let (first, second) = (store.take(1000), store.take(600));
        let place = first.as_ptr();
        store.put(first);
        let again = store.take(900);
        assert_eq!((again.as_ptr(), again.len()), (place, 1000), "a fitting one is taken");
        store.put(again);
        store.put(second);
        let other = store.take(100);
        assert_eq!(store.used_values + store.free_values, 700, "room was made for one of another size");
        store.put(other);
    }

    #[test]
    fn buffers_have_their_length_and_zeros_are_zeros() {
        for length in [0, 3, SMALLEST, 3 * SMALLEST + 1] {
            let mut buffer = Buffer::stale(length);
            buffer.fill(1.0);
            assert_eq!(buffer.len(), length);
            drop(buffer);
            assert!(Buffer::zeros(length).iter().all(|value| *value == 0.0));
        }
        assert_eq!(*Buffer::of(&[1.0, 2.0]), [1.0, 2.0]);
    }
}
