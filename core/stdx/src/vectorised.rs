//! The processor's vector instructions, chosen when the program runs.

/// Runs `body` compiled for the widest vectors of this machine.
///
/// Only code that is inlined into the body is compiled for them: mark the closure and all functions that it calls
/// `#[inline(always)]`. The result is the same on any machine, as Rust never fuses a multiplication and an addition by
/// itself.
#[inline(always)]
pub fn vectorised<R>(body: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Body(body))
}

/// Called through `FnMut`: for `FnOnce` the compiler adds a function in between, which is not inlined.
struct Body<F>(F);

impl<R, F: FnMut() -> R> pulp::WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
