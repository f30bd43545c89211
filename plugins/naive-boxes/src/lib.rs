//! Proposals naive: random boxes inside the overlap. Section 3.2, A.2.
