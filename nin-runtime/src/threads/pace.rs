//! Whether sharing pays for a short pass through a net.

use super::Context;

/// How the passes through one net use threads, the calling one alone or all of them: whichever was quicker when
/// both were tried last.
///
/// What a hand-over costs, no constant knows. Between two cores far apart it takes ten times as long as between
/// neighbours, and a virtual machine's cores may move within seconds. There a small net is quicker alone.
#[derive(Default)]
pub(crate) struct Pace {
    #[cfg(feature = "parallel")]
    trials: trials::Trials,
}

impl Pace {
    /// Starts a pass that takes `images` images through the net. All its parts go one way: each finds the data
    /// where the last one left it.
    pub(crate) fn start(&mut self, images: usize) {
        #[cfg(feature = "parallel")]
        self.trials.start(images);
        let _ = images;
    }

    /// Runs a part of the pass.
    pub(crate) fn run<R>(&mut self, part: impl FnOnce(&Context) -> R) -> R {
        let cx = Context::current();
        #[cfg(feature = "parallel")]
        if cx.threads() > 1 {
            return self.trials.run(|alone| match alone {
                true => part(&Context::sequential(cx.isa())),
                false => part(&cx),
            });
        }
        part(&cx)
    }
}

#[cfg(feature = "parallel")]
mod trials {
    use std::ops::RangeInclusive;
    use std::time::{Duration, Instant};

    /// Passes that a trial takes each way, at most.
    const TRIES: usize = 8;
    /// Those of them that do not count: they find memory in other caches, and workers asleep.
    const UNSETTLED: usize = 2;
    /// Passes from one trial to the next: few at first, since something else may have disturbed the first trial,
    /// then twice as many each time that the outcome is the same, until trials cost less than a hundredth of the
    /// time.
    const PERIODS: RangeInclusive<usize> = 100..=1600;
    /// The time that an image takes where hand-overs cannot decide.
    const LONG: Duration = Duration::from_millis(2);

    /// The passes through a net, some of which are trials.
    #[derive(Default)]
    pub(super) struct Trials {
        /// Passes since the last trial began, and how many there are until the next.
        passes: usize,
        period: usize,
        /// The outcome of the trial before.
        was_alone: bool,
        shared: Tries,
        alone: Tries,
        /// Whether the present pass runs alone.
        runs_alone: bool,
        /// Whether it is tried, its images, and the time of its parts so far.
        tried: bool,
        images: usize,
        time: Duration,
    }

    impl Trials {
        /// Starts the next pass, and takes note of the last one.
        pub(super) fn start(&mut self, images: usize) {
            if self.tried && !self.time.is_zero() {
                let tries = if self.runs_alone { &mut self.alone } else { &mut self.shared };
                tries.add(self.time / self.images.max(1) as u32);
            }
            let way = self.next();
            self.tried = way.is_some();
            self.runs_alone = way.unwrap_or_else(|| self.alone_is_quicker());
            (self.images, self.time) = (images, Duration::ZERO);
        }

        /// Calls a part of the pass, saying whether it runs alone.
        pub(super) fn run<R>(&mut self, part: impl FnOnce(bool) -> R) -> R {
            let start = self.tried.then(Instant::now);
            let result = part(self.runs_alone);
            self.time += start.map_or(Duration::ZERO, |start| start.elapsed());
            result
        }

        /// Whether the next pass is to be tried alone, if it is to be tried.
        fn next(&mut self) -> Option<bool> {
            if self.passes == self.period {
                let alone = self.alone_is_quicker();
                let (first, last) = PERIODS.into_inner();
                let same = alone == self.was_alone;
                let period = if same { (2 * self.period).clamp(first, last) } else { first };
                *self = Self { period, was_alone: alone, ..Self::default() };
            }
            let pass = self.passes;
            self.passes += 1;
            match pass {
                0..TRIES => Some(false),
                _ if pass < 2 * TRIES && !self.sharing_pays() => Some(true),
                _ => None,
            }
        }

        /// Whether that is clear before all tries are made.
        fn sharing_pays(&self) -> bool {
            self.shared.time().is_some_and(|shared| {
                shared > LONG || self.alone.time().is_some_and(|alone| alone > shared * 5 / 4)
            })
        }

        fn alone_is_quicker(&self) -> bool {
            let times = self.shared.time().zip(self.alone.time());
            times.is_some_and(|(shared, alone)| alone < shared)
        }
    }

    /// The times of the passes that were tried one way, for an image.
    #[derive(Default)]
    struct Tries {
        times: [Duration; TRIES],
        count: usize,
    }

    impl Tries {
        fn add(&mut self, time: Duration) {
            self.times[self.count] = time;
            self.count += 1;
        }

        /// The median of those that count: a few passes that nothing disturbed, or something did, decide nothing.
        fn time(&self) -> Option<Duration> {
            let mut times = self.times;
            let times = times.get_mut(UNSETTLED..self.count)?;
            times.sort_unstable();
            times.get(times.len() / 2).copied()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// How many of `passes` passes run alone, if an image takes so many microseconds alone and shared.
        fn alone(trials: &mut Trials, passes: usize, times: (u64, u64)) -> usize {
            let mut alone = 0;
            for images in 1..=passes {
                trials.start(images);
                alone += usize::from(trials.runs_alone);
                let micros = if trials.runs_alone { times.0 } else { times.1 };
                trials.time = Duration::from_micros(micros) * images as u32;
            }
            alone
        }

        /// The first period.
        const FIRST: usize = *PERIODS.start();

        #[test]
        fn passes_stay_alone_where_that_is_quicker_and_come_back() {
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, FIRST, (45, 63)), FIRST - TRIES);
            assert_eq!(alone(&mut trials, FIRST, (45, 31)), UNSETTLED + 1);
            assert_eq!(alone(&mut trials, FIRST, (45, 44)), TRIES, "nearly as quick");
            assert_eq!(alone(&mut trials, 2 * FIRST, (45, 46)), 2 * FIRST - TRIES);
        }

        #[test]
        fn trials_become_rare_while_their_outcome_is_the_same() {
            let mut trials = Trials::default();
            let mut until_alone =
                |times| (1..).find(|_| alone(&mut trials, 1, times) == 1).unwrap_or_default();
            // What is quicker shared is tried alone once in a period.
            let tries: Vec<usize> = (0..30).map(|_| until_alone((63, 45))).collect();
            let rare: Vec<usize> = tries.into_iter().filter(|&passes| passes > 1).collect();
            let apart = |period: usize| period - UNSETTLED;
            let periods = [100, 200, 400, 800, 1600, 1600].map(apart);
            assert_eq!(rare[1..7], periods, "{rare:?}");
            // A change is looked at again soon.
            let changed = (0..2 * 1600).any(|_| {
                alone(&mut trials, 1, (45, 63));
                trials.period == FIRST
            });
            assert!(changed);
        }

        #[test]
        fn long_passes_are_never_tried_alone() {
            let long = 2 * LONG.as_micros() as u64;
            assert_eq!(alone(&mut Trials::default(), 20 * FIRST, (1, long)), 0);
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, FIRST, (45, 63)), FIRST - TRIES);
            assert_eq!(alone(&mut trials, FIRST, (1, long)), 0, "they were short before");
        }

        #[test]
        fn a_few_passes_do_not_decide() {
            let mut trials = Trials::default();
            for pass in 0..2 * TRIES {
                trials.start(1);
                // Some shared passes are quick, and the first ones alone slow.
                let micros = match (trials.runs_alone, pass % TRIES) {
                    (false, 3..5) => 40,
                    (false, _) => 63,
                    (true, 0..UNSETTLED) => 200,
                    (true, _) => 45,
                };
                trials.time = Duration::from_micros(micros);
            }
            trials.start(1);
            assert!(trials.runs_alone);
        }

        #[test]
        fn the_parts_of_a_pass_go_one_way_and_count_together() {
            let mut trials = Trials::default();
            let mut ways = [0, 0];
            for _ in 0..2 * TRIES {
                trials.start(1);
                let alone = trials.run(|alone| alone);
                let first = trials.time;
                assert_eq!(trials.run(|alone| alone), alone);
                assert!(trials.time > first || trials.time.is_zero());
                ways[usize::from(alone)] += 1;
            }
            assert!(ways[0] >= TRIES && ways[1] > UNSETTLED, "{ways:?}");
        }

        #[test]
        fn time_counts_by_the_image() {
            let mut trials = Trials::default();
            // The passes that are tried alone have more images, and take longer.
            alone(&mut trials, 2 * TRIES + 1, (100, 300));
            assert!(trials.alone_is_quicker());
        }
    }
}
