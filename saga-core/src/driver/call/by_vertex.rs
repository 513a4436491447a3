//! Values by vertex, for large values that come and go. A map would move them whenever another one does.

use crate::machine::VertexId;

pub(super) struct ByVertex<T> {
    values: Vec<Option<T>>,
    /// The places among the values that are free.
    free: Vec<u32>,
    /// The place of each vertex that has or had a value, or [`NOWHERE`].
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl<T> Default for ByVertex<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new(), places: Vec::new() }
    }
}

impl<T> ByVertex<T> {
    /// Adds or replaces the value of this vertex.
    pub(super) fn insert(&mut self, vertex: VertexId, value: T) {
        self.remove(vertex);
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            self.values.len() as u32 - 1
        });
        if let Some(free) = self.values.get_mut(place as usize) {
            *free = Some(value);
        }
        let vertex = vertex as usize;
        if self.places.len() <= vertex {
            self.places.resize(vertex + 1, NOWHERE);
        }
        if let Some(of) = self.places.get_mut(vertex) {
            *of = place;
        }
    }

    fn place(&self, vertex: VertexId) -> Option<usize> {
        let place = *self.places.get(vertex as usize)?;
        (place != NOWHERE).then_some(place as usize)
    }

    pub(super) fn get(&self, vertex: VertexId) -> Option<&T> {
        self.values.get(self.place(vertex)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, vertex: VertexId) -> Option<&mut T> {
        let place = self.place(vertex)?;
        self.values.get_mut(place)?.as_mut()
    }

    /// Drops the value of this vertex where it lies; returns false if there is none.
    pub(super) fn remove(&mut self, vertex: VertexId) -> bool {
        let Some(place) = self.place(vertex) else { return false };
        if let Some(of) = self.places.get_mut(vertex as usize) {
            *of = NOWHERE;
        }
        self.free.push(place as u32);
        if let Some(value) = self.values.get_mut(place) {
            *value = None;
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.len() == self.free.len()
    }

    /// The vertices that have a value, in their order.
    pub(super) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        let places = (0..).zip(&self.places);
        places.filter(|(_, place)| **place != NOWHERE).map(|(vertex, _)| vertex)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_does_what_a_map_does() {
        let (mut values, mut map) = (ByVertex::default(), BTreeMap::new());
        // a walk over all residues, which inserts, replaces and removes
        for step in 0..2_000_u32 {
            let vertex = step * 7 % 31;
            if step % 3 == 0 {
                assert_eq!(values.remove(vertex), map.remove(&vertex).is_some(), "{step}");
            } else {
                values.insert(vertex, step);
                map.insert(vertex, step);
            }
            assert_eq!(values.get(vertex), map.get(&vertex), "{step}");
            assert_eq!(values.get_mut(vertex), map.get_mut(&vertex), "{step}");
            assert_eq!(values.is_empty(), map.is_empty());
            assert!(values.vertices().eq(map.keys().copied()), "{step}");
        }
        assert!(values.values.len() <= 31, "places are used again");
        assert_eq!(values.get(1_000), None);
        assert!(!values.remove(1_000));
        map.keys().for_each(|vertex| assert!(values.remove(*vertex)));
        assert!(values.is_empty());
    }
}
