//! The processor's vector instructions, chosen when the program runs.

/// Runs `body` compiled for the widest vectors of this machine. What `body` calls must be inlined into it.
#[inline(always)]
pub(crate) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
}
