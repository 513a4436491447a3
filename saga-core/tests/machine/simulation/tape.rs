//! The choices that a run consists of. Zero is the benign choice everywhere: the first in line, success,
//! no crash.

/// Where the choices of a run come from.
#[derive(Debug, Clone)]
pub(crate) enum Tape {
    /// Random bytes, which proptest can shrink, and then zeros.
    Random { bytes: Vec<u8>, next: usize },
    /// These choices, and then zeros; each with the number of alternatives that it was made from, so that
    /// [`Tape::next_script`] can go through all of them.
    Script { choices: Vec<(usize, usize)>, next: usize },
}

impl Tape {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self::Random { bytes, next: 0 }
    }

    pub(crate) fn fair() -> Self {
        Self::new(Vec::new())
    }

    pub(crate) fn script(choices: Vec<(usize, usize)>) -> Self {
        Self::Script { choices, next: 0 }
    }

    /// A small amount of time, or anything else of which no two values matter more than others: always
    /// zero in a script.
    pub(crate) fn byte(&mut self) -> u8 {
        let Self::Random { bytes, next } = self else { return 0 };
        let byte = bytes.get(*next).copied().unwrap_or(0);
        *next += 1;
        byte
    }

    /// One of `n`.
    pub(crate) fn pick(&mut self, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        let Self::Script { choices, next } = self else { return usize::from(self.byte()) % n };
        if *next == choices.len() {
            choices.push((0, n));
        }
        let (choice, of) = choices[*next];
        assert_eq!(of, n, "the run does not depend on its choices alone");
        *next += 1;
        choice
    }

    /// True in `share` of 256 random cases. In a script both ways are gone, unless the share is nothing.
    pub(crate) fn chance(&mut self, share: u8) -> bool {
        match self {
            Self::Random { .. } => self.byte() > 255 - share,
            Self::Script { .. } => share > 0 && self.pick(2) == 1,
        }
    }

    /// The choices of a script, once a step has been taken with it.
    pub(crate) fn choices(&self) -> &[(usize, usize)] {
        match self {
            Self::Random { .. } => &[],
            Self::Script { choices, .. } => choices,
        }
    }

    /// The script after this one, in which the last choice that has an alternative left takes it.
    pub(crate) fn next_script(&self) -> Option<Vec<(usize, usize)>> {
        let mut choices = self.choices().to_vec();
        while let Some((choice, of)) = choices.pop() {
            if choice + 1 < of {
                choices.push((choice + 1, of));
                return Some(choices);
            }
        }
        None
    }
}
