//! Buffers that share memory where their lifetimes allow it.

use std::ops::{Range, RangeInclusive};

/// Buffers with lifetimes, in steps of the program, that want places in one arena.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    requests: Vec<Request>,
}

#[derive(Clone, Debug)]
struct Request {
    len: usize,
    live: RangeInclusive<usize>,
}

impl Arena {
    /// Asks for `len` elements in the steps `live`; the result is the request's number.
    pub(crate) fn reserve(&mut self, len: usize, live: RangeInclusive<usize>) -> usize {
        self.requests.push(Request { len, live });
        self.requests.len() - 1
    }

    /// Gives each request its place, and the arena's length.
    ///
    /// The largest first, each at the lowest offset where it overlaps nothing that lives at the
    /// same time. The best packing is a hard problem; this one is close for the chains that nets are.
    pub(crate) fn place(&self) -> (Vec<Range<usize>>, usize) {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(self.requests[i].len), i));
        let mut places: Vec<Option<Range<usize>>> = vec![None; self.requests.len()];
        for i in order {
            let request = &self.requests[i];
            let mut taken: Vec<Range<usize>> = (0..self.requests.len())
                .filter(|&other| self.requests[other].meets(request))
                .filter_map(|other| places[other].clone())
                .collect();
            taken.sort_by_key(|place| place.start);
            let mut start = 0;
            for place in taken {
                if start + request.len <= place.start {
                    break;
                }
                start = start.max(place.end);
            }
            places[i] = Some(start..start + request.len);
        }
        let places: Vec<Range<usize>> = places.into_iter().flatten().collect();
        let len = places.iter().map(|place| place.end).max().unwrap_or(0);
        (places, len)
    }

    /// Elements up to the end of the last buffer that is needed in some of the `steps`.
    pub(crate) fn extent(&self, places: &[Range<usize>], steps: Range<usize>) -> usize {
        let needed = self.requests.iter().zip(places).filter(|(request, _)| {
            *request.live.start() < steps.end && steps.start <= *request.live.end()
        });
        needed.map(|(_, place)| place.end).max().unwrap_or(0)
    }
}

impl Request {
    fn meets(&self, other: &Self) -> bool {
        self.live.start() <= other.live.end() && other.live.start() <= self.live.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places requests of (length, first step, last step) and holds them to the rule.
    fn place(requests: &[(usize, usize, usize)]) -> (Vec<Range<usize>>, usize) {
        let mut arena = Arena::default();
        for &(len, first, last) in requests {
            arena.reserve(len, first..=last);
        }
        let (places, len) = arena.place();
        for (i, a) in places.iter().enumerate() {
            assert_eq!(a.len(), requests[i].0);
            assert!(a.end <= len);
            for (j, b) in places.iter().enumerate().skip(i + 1) {
                let together = requests[i].1 <= requests[j].2 && requests[j].1 <= requests[i].2;
                let overlap = a.start < b.end && b.start < a.end;
                assert!(!(together && overlap), "{i} and {j} overlap: {a:?} {b:?}");
            }
        }
        (places, len)
    }

    #[test]
    fn a_chain_takes_its_two_largest_neighbours() {
        let (_, len) = place(&[(100, 0, 1), (80, 1, 2), (60, 2, 3), (10, 3, 4)]);
        assert_eq!(len, 180);
    }

    #[test]
    fn buffers_of_different_times_share_a_place() {
        let (places, len) = place(&[(50, 0, 0), (50, 1, 1), (0, 1, 1)]);
        assert_eq!((places[0].clone(), len), (places[1].clone(), 50));
    }

    #[test]
    fn no_two_live_buffers_overlap_in_random_plans() {
        let mut state = 1_u64;
        let mut random = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % bound) as usize
        };
        for _ in 0..500 {
            let requests: Vec<(usize, usize, usize)> = (0..random(24))
                .map(|_| {
                    let first = random(20);
                    (random(1000), first, first + random(6))
                })
                .collect();
            place(&requests);
        }
    }
}
