//! The processor's vector instructions, chosen when the program runs.

/// Runs `body` compiled for the widest vectors of this machine.
///
/// Only what is inlined into the body is compiled so: mark the closure and all functions that it calls
/// `#[inline(always)]`. What comes out is the same on any machine, as long as no multiplication and addition are left
/// for the compiler to fuse, which Rust never does by itself.
#[inline(always)]
pub fn vectorised<R>(body: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Body(body))
}

/// Called through `FnMut`: through `FnOnce` there would be a function of the compiler's in between that is not inlined.
struct Body<F>(F);

impl<R, F: FnMut() -> R> pulp::WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
