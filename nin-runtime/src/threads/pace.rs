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
            return self.trials.run(&cx, |alone| match alone {
                true => part(&Context::sequential(cx.isa())),
                false => part(&cx),
            });
        }
        part(&cx)
    }
}

#[cfg(feature = "parallel")]
mod trials {
    use super::Context;
    use std::ops::RangeInclusive;
    use std::time::{Duration, Instant};

    /// Passes of a trial that count, each way.
    const TRIES: usize = 6;
    /// Passes before them that do not count, since they find memory in other caches: at least, and at most.
    const UNSETTLED: RangeInclusive<usize> = 1..=64;
    /// The time of shared passes that do not count since some workers may still be waking.
    const WAKING: Duration = Duration::from_millis(1);
    /// The time of shared passes for which a trial waits until a worker takes part. It takes some work that they miss
    /// until somebody wakes them, and a system may let them wait for a processor for milliseconds.
    const PATIENCE: Duration = Duration::from_millis(20);
    /// Passes from one trial to the next: few after a new outcome, since something may have disturbed the trial, then
    /// twice as many each time that the outcome is the same, until trials cost less than a hundredth of the time.
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
        /// Whether a worker took part in it.
        helped: bool,
        /// The time of the trial's shared passes in which none did.
        missed: Duration,
    }

    impl Trials {
        /// Starts the next pass, and takes note of the last one.
        pub(super) fn start(&mut self, images: usize) {
            if self.tried && !self.time.is_zero() {
                if self.runs_alone {
                    self.alone.add(self.time, self.images, Duration::ZERO);
                } else if self.helped || self.missed >= PATIENCE {
                    self.shared.add(self.time, self.images, WAKING);
                } else {
                    // The trial has not begun.
                    self.missed += self.time;
                    self.passes -= 1;
                }
            }
            let way = self.next();
            self.tried = way.is_some();
            self.runs_alone = way.unwrap_or_else(|| self.alone_is_quicker());
            if !self.tried && self.runs_alone != self.was_alone {
                // A new outcome may be due to a disturbance, and is soon looked at again.
                self.period = *PERIODS.start();
            }
            (self.images, self.time, self.helped) = (images, Duration::ZERO, false);
        }

        /// Calls a part of the pass, saying whether it runs alone.
        pub(super) fn run<R>(&mut self, cx: &Context, part: impl FnOnce(bool) -> R) -> R {
            let start = self.tried.then(|| (Instant::now(), cx.helpers()));
            let result = part(self.runs_alone);
            if let Some((start, helpers)) = start {
                self.time += start.elapsed();
                self.helped |= cx.helpers() != helpers;
            }
            result
        }

        /// Whether the next pass is to be tried alone, if it is to be tried.
        fn next(&mut self) -> Option<bool> {
            if self.passes >= self.period {
                let alone = self.alone_is_quicker();
                let (first, last) = PERIODS.into_inner();
                let same = alone == self.was_alone;
                let period = if same { (2 * self.period).clamp(first, last) } else { first };
                *self = Self { period, was_alone: alone, ..Self::default() };
            }
            self.passes += 1;
            if !self.shared.are_made() {
                return Some(false);
            }
            (!self.alone.are_made() && !self.sharing_pays()).then_some(true)
        }

        /// Whether that is clear before all tries are made. While they go on alone, workers fall asleep.
        fn sharing_pays(&self) -> bool {
            self.shared.time().is_some_and(|shared| {
                let slower = self.alone.made().iter().filter(|&&alone| alone > shared * 9 / 8);
                shared > LONG || slower.count() >= 2
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
        /// Passes that did not count, and the time that they took.
        unsettled: usize,
        settling: Duration,
        times: [Duration; TRIES],
        count: usize,
    }

    impl Tries {
        /// Takes note of a pass. Those within a time of settling do not count.
        fn add(&mut self, time: Duration, images: usize, settling: Duration) {
            let (least, most) = UNSETTLED.into_inner();
            if self.unsettled < least || self.unsettled < most && self.settling < settling {
                self.unsettled += 1;
                self.settling += time;
            } else if let Some(next) = self.times.get_mut(self.count) {
                *next = time / images.max(1) as u32;
                self.count += 1;
            }
        }

        fn made(&self) -> &[Duration] {
            &self.times[..self.count]
        }

        fn are_made(&self) -> bool {
            self.count == TRIES
        }

        /// The median of those that count: a few passes that nothing disturbed, or something did, decide nothing.
        fn time(&self) -> Option<Duration> {
            let mut times = self.times;
            let made = &mut times[..self.count];
            made.sort_unstable();
            made.get(made.len() / 2).copied()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The first period.
        const FIRST: usize = *PERIODS.start();
        /// Passes that a trial takes alone.
        const ALONE: usize = *UNSETTLED.start() + TRIES;

        /// Passes that a trial takes shared, if each takes so many microseconds.
        fn shared(micros: u64) -> usize {
            let waking = WAKING.as_micros().div_ceil(micros.into()) as usize;
            waking.clamp(*UNSETTLED.start(), *UNSETTLED.end()) + TRIES
        }

        /// How many of `passes` passes of one image run alone, if one takes so many microseconds alone and shared.
        fn alone(trials: &mut Trials, passes: usize, times: (u64, u64)) -> usize {
            let mut alone = 0;
            for _ in 0..passes {
                trials.start(1);
                alone += usize::from(trials.runs_alone);
                let micros = if trials.runs_alone { times.0 } else { times.1 };
                finish(trials, micros);
            }
            alone
        }

        /// Ends a pass that took so many microseconds, and that a worker shared unless it ran alone.
        fn finish(trials: &mut Trials, micros: u64) {
            trials.time = Duration::from_micros(micros);
            trials.helped = !trials.runs_alone;
        }

        #[test]
        fn passes_stay_alone_where_that_is_quicker_and_come_back() {
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, FIRST, (45, 63)), FIRST - shared(63));
            assert_eq!(alone(&mut trials, FIRST, (45, 31)), UNSETTLED.start() + 2);
            assert_eq!(alone(&mut trials, FIRST, (45, 44)), ALONE, "nearly as quick");
            // A new outcome is tried again after as many passes as the first one.
            assert_eq!(alone(&mut trials, 2 * FIRST, (45, 46)), 2 * (FIRST - shared(46)));
        }

        #[test]
        fn trials_become_rare_while_their_outcome_is_the_same() {
            let mut trials = Trials::default();
            let mut seen = Vec::new();
            for _ in 0..8000 {
                alone(&mut trials, 1, (63, 45));
                if seen.last() != Some(&trials.period) {
                    seen.push(trials.period);
                }
            }
            assert_eq!(seen, [100, 200, 400, 800, 1600]);
            // A change is looked at again soon.
            let changed = (0..2 * 1600).any(|_| {
                alone(&mut trials, 1, (45, 63));
                trials.period == FIRST
            });
            assert!(changed);
        }

        #[test]
        fn one_outcome_unlike_many_before_is_soon_looked_at_again() {
            let mut trials = Trials::default();
            while trials.period < *PERIODS.end() {
                alone(&mut trials, 1, (45, 31));
            }
            // A disturbance, for as long as the trial lasts.
            while !trials.runs_alone || trials.tried {
                alone(&mut trials, 1, (45, 63));
            }
            assert!(alone(&mut trials, 10 * FIRST, (45, 31)) <= FIRST + 2 * ALONE);
        }

        #[test]
        fn long_passes_are_never_tried_alone() {
            let long = 2 * LONG.as_micros() as u64;
            assert_eq!(alone(&mut Trials::default(), 20 * FIRST, (1, long)), 0);
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, FIRST, (45, 63)), FIRST - shared(63));
            assert_eq!(alone(&mut trials, FIRST, (1, long)), 0, "they were short before");
        }

        #[test]
        fn workers_that_sleep_are_given_time_to_wake() {
            let mut trials = Trials::default();
            // Until they are awake, a shared pass takes longer than one alone.
            for pass in 0..FIRST {
                trials.start(1);
                let micros = match (trials.runs_alone, pass) {
                    (true, _) => 45,
                    (false, 0..15) => 47,
                    (false, _) => 30,
                };
                finish(&mut trials, micros);
            }
            assert!(!trials.runs_alone);
        }

        /// How many passes take 45 µs, of so many, if no worker is awake in the first `late` of them.
        fn slow(passes: usize, late: usize) -> usize {
            let mut trials = Trials::default();
            let mut slow = 0;
            for pass in 0..passes {
                trials.start(1);
                let is_slow = trials.runs_alone || pass < late;
                slow += usize::from(is_slow);
                trials.time = Duration::from_micros(if is_slow { 45 } else { 30 });
                trials.helped = !is_slow;
            }
            slow
        }

        #[test]
        fn passes_in_which_no_worker_took_part_say_nothing_of_sharing() {
            // The trial begins when the first worker is there, and two passes alone decide.
            let late = (PATIENCE.as_micros() / 45) as usize;
            for late in [0, 1, late / 2, late] {
                assert_eq!(slow(late + FIRST, late), late + UNSETTLED.start() + 2, "{late}");
            }
            // Where none ever comes, passes run alone.
            let mut trials = Trials::default();
            for _ in 0..late + FIRST / 2 {
                trials.start(1);
                trials.time = Duration::from_micros(if trials.runs_alone { 45 } else { 46 });
            }
            assert!(trials.runs_alone);
        }

        #[test]
        fn a_few_passes_do_not_decide() {
            let mut trials = Trials::default();
            for pass in 0..FIRST {
                trials.start(1);
                // Some shared passes are quick, and the first ones alone slow.
                let micros = match (trials.runs_alone, trials.alone.unsettled) {
                    (true, unsettled) if unsettled < *UNSETTLED.start() => 200,
                    (true, _) => 45,
                    (false, _) if pass % 3 == 0 => 40,
                    (false, _) => 63,
                };
                finish(&mut trials, micros);
            }
            assert!(trials.runs_alone);
        }

        #[test]
        fn the_parts_of_a_pass_go_one_way_and_count_together() {
            let cx = Context::with_threads(crate::simd::Isa::get(), 2);
            let mut trials = Trials::default();
            let mut ways = [0, 0];
            // In each part a worker takes part.
            let part = |alone: bool| {
                let (met, since) = (std::sync::Barrier::new(2), Instant::now());
                let wait = |_| {
                    met.wait();
                };
                if !alone {
                    cx.for_each(2, usize::MAX, wait);
                }
                while since.elapsed().is_zero() {}
                alone
            };
            for _ in 0..FIRST {
                trials.start(1);
                let alone = trials.run(&cx, part);
                let first = trials.time;
                assert!(alone || trials.helped || !trials.tried);
                assert_eq!(trials.run(&cx, part), alone);
                assert!(trials.time > first || trials.time.is_zero());
                ways[usize::from(alone)] += 1;
            }
            assert!(ways[0] >= TRIES && ways[1] > *UNSETTLED.start(), "{ways:?}");
        }

        #[test]
        fn time_counts_by_the_image() {
            let mut trials = Trials::default();
            for _ in 0..FIRST {
                // The passes that are tried alone have more images, and take longer.
                let images = if trials.shared.are_made() { 16 } else { 1 };
                trials.start(images);
                let micros = if trials.runs_alone { 100 } else { 300 };
                finish(&mut trials, micros * images as u64);
            }
            assert!(trials.alone_is_quicker());
        }
    }
}
