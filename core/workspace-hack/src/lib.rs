//! Nothing but a manifest. Whatever depends on this crate compiles other people's crates with the features of the whole
//! workspace, so that a build of one part and a build of all share what is compiled. `cargo hakari generate` writes it.
