//! Choices that proptest can shrink: a tape of bytes, and then zeros. Zero is the fair choice everywhere:
//! the first in line, success, no crash.

#[derive(Debug, Clone)]
pub struct Tape {
    bytes: Vec<u8>,
    next: usize,
}

impl Tape {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }

    pub fn fair() -> Self {
        Self::new(Vec::new())
    }

    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        byte
    }

    /// One of `n`.
    pub fn pick(&mut self, n: usize) -> usize {
        if n < 2 { 0 } else { usize::from(self.byte()) % n }
    }

    /// True in `share` of 256 cases.
    pub fn chance(&mut self, share: u8) -> bool {
        self.byte() > 255 - share
    }
}
