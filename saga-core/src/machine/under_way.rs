//! What this process has under way for each vertex: at most one thing at a time.

use super::state::VertexId;

/// What is under way for one vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Work {
    #[default]
    Nothing,
    /// Its call may start, and waits for room or for the end of a pause.
    Candidate,
    /// Its call may start, and waits for a permit.
    AwaitsPermit,
    /// Its value or its choice has been asked for.
    Evaluation,
    /// An action is in flight that was started while the saga went forward.
    Action,
    /// An action in doubt is in flight, which is run again while unwinding, to learn its output.
    Rerun,
    /// An undo is in flight.
    Undo,
    /// An action in doubt has been asked whether it took effect.
    Probe,
}

impl Work {
    /// True for a call in flight.
    pub(super) fn is_call(self) -> bool {
        match self {
            Self::Action | Self::Rerun | Self::Undo | Self::Probe => true,
            Self::Nothing | Self::Candidate | Self::AwaitsPermit | Self::Evaluation => false,
        }
    }
}

/// What is under way for every vertex, and how often each kind of work is.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay {
    /// Vertices past the end have nothing under way.
    work: Vec<Work>,
    counts: [u32; 8],
}

impl UnderWay {
    pub(super) fn of(&self, v: VertexId) -> Work {
        self.work.get(v as usize).copied().unwrap_or_default()
    }

    /// Replaces what is under way for this vertex.
    pub(super) fn set(&mut self, v: VertexId, work: Work) {
        let v = v as usize;
        if self.work.len() <= v {
            self.work.resize(v + 1, Work::Nothing);
        }
        let Some(of) = self.work.get_mut(v) else { return };
        let before = std::mem::replace(of, work);
        self.counts[before as usize] = self.counts[before as usize].saturating_sub(1);
        self.counts[work as usize] += 1;
    }

    /// Ends what is under way for this vertex.
    pub(super) fn end(&mut self, v: VertexId) {
        self.set(v, Work::Nothing);
    }

    /// How many vertices have this under way. [`Work::Nothing`] is not counted.
    pub(super) fn count(&self, work: Work) -> usize {
        self.counts[work as usize] as usize
    }

    /// How many calls are in flight.
    pub(super) fn calls(&self) -> usize {
        let calls = [Work::Action, Work::Rerun, Work::Undo, Work::Probe];
        calls.into_iter().map(|call| self.count(call)).sum()
    }

    /// The vertices whose work is of such a kind, in their order. Looks at all vertices, so it is not for what
    /// happens often.
    pub(super) fn all(&self, such: impl Fn(Work) -> bool) -> Vec<VertexId> {
        let work = (0..).zip(&self.work);
        work.filter(|(_, work)| such(**work)).map(|(v, _)| v).collect()
    }

    /// Ends all work of this kind, and returns its vertices, in their order.
    pub(super) fn end_all(&mut self, work: Work) -> Vec<VertexId> {
        if self.count(work) == 0 {
            return Vec::new();
        }
        let all = self.all(|other| other == work);
        for v in &all {
            self.end(*v);
        }
        all
    }
}
