//! Values by saga, where there are very many sagas for a while.

use std::collections::hash_map::Entry;
use std::ops::{Deref, DerefMut};

use super::SagaId;
use crate::ambient::HashMap;

/// A map that gives memory back when most of its sagas have left, which a `HashMap` never does.
pub(crate) struct SagaMap<V>(HashMap<SagaId, V>);

/// A smaller map keeps its room.
const SMALL: usize = 64;

impl<V> SagaMap<V> {
    pub(crate) fn remove(&mut self, id: &SagaId) -> Option<V> {
        self.remove_if(id, |_| true)
    }

    /// Removes the value of this saga if it is such a value.
    pub(crate) fn remove_if(&mut self, id: &SagaId, such: impl FnOnce(&V) -> bool) -> Option<V> {
        let Entry::Occupied(place) = self.0.entry(id.clone()) else { return None };
        let removed = such(place.get()).then(|| place.remove())?;
        let (len, room) = (self.0.len(), self.0.capacity());
        if room > SMALL && len < room / 4 {
            // after that, as many as are left now must come or half of them must go before it is moved again
            self.0.shrink_to(2 * len);
        }
        Some(removed)
    }
}

impl<V> Default for SagaMap<V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<V> Deref for SagaMap<V> {
    type Target = HashMap<SagaId, V>;
    fn deref(&self) -> &HashMap<SagaId, V> {
        &self.0
    }
}

impl<V> DerefMut for SagaMap<V> {
    fn deref_mut(&mut self) -> &mut HashMap<SagaId, V> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_sagas_that_have_left_is_given_back() {
        let ids = (0..1000).map(|i| format!("saga-{i}").parse().unwrap()).collect::<Vec<SagaId>>();
        let mut map = SagaMap::default();
        map.extend(ids.iter().map(|id| (id.clone(), id.as_str().len())));
        assert_eq!(map.remove_if(&ids[7], |len| *len > 6), None);
        assert_eq!(map.remove_if(&ids[7], |len| *len == 6), Some(6));
        assert_eq!(map.remove(&ids[7]), None);
        for (left, id) in (0..999).rev().zip(ids[8..].iter().chain(&ids[..7])) {
            assert_eq!(map.remove(id), Some(id.as_str().len()));
            assert_eq!(map.len(), left);
            assert!(map.capacity() <= SMALL.max(8 * left), "{} for {left}", map.capacity());
        }
    }
}
