//! Disjoint sets, as a forest in which the root of a tree stands for its set.

/// Disjoint sets of `0..count`.
pub struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    /// Every member alone.
    pub fn new(count: usize) -> Self {
        Self { parents: (0..count as u32).collect() }
    }

    /// The root of a member's tree.
    pub fn root(&mut self, mut member: u32) -> u32 {
        loop {
            let parent = self.parents[member as usize];
            if parent == member {
                return member;
            }
            member = self.step(member);
        }
    }

    /// Moves a member one step nearer to its root, and returns where it is now.
    pub fn step(&mut self, member: u32) -> u32 {
        let nearer = self.parents[self.parents[member as usize] as usize];
        self.parents[member as usize] = nearer;
        nearer
    }

    /// Puts the tree of one root under another one.
    pub fn attach(&mut self, root: u32, to: u32) {
        self.parents[root as usize] = to;
    }
}
