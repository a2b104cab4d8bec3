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
    /// Takes `images` images through the net.
    pub(crate) fn run<R>(&mut self, images: usize, pass: impl FnOnce(&Context) -> R) -> R {
        let cx = Context::current();
        #[cfg(feature = "parallel")]
        if cx.threads() > 1 {
            return self.trials.run(images, |alone| match alone {
                true => pass(&Context::sequential(cx.isa())),
                false => pass(&cx),
            });
        }
        let _ = images;
        pass(&cx)
    }

    /// The context of what comes before and after such a pass: that of the last one, which left the data where
    /// it ran.
    pub(crate) fn context(&self) -> Context {
        let cx = Context::current();
        #[cfg(feature = "parallel")]
        if self.trials.ran_alone {
            return Context::sequential(cx.isa());
        }
        cx
    }
}

#[cfg(feature = "parallel")]
mod trials {
    use std::time::{Duration, Instant};

    /// Passes that a trial takes each way, at most. The first ones find memory in other caches and workers asleep.
    const TRIES: u32 = 8;
    /// Passes from one trial to the next: enough that trials cost less than a hundredth of the time.
    const PERIOD: u32 = 1600;
    /// The time that an image takes where hand-overs cannot decide.
    const LONG: Duration = Duration::from_millis(2);

    /// The passes through a net, some of which are trials.
    #[derive(Default)]
    pub(super) struct Trials {
        /// Passes since the last trial began.
        passes: u32,
        /// The quickest of the trial's passes on all threads and on one, for an image.
        shared: Option<Duration>,
        alone: Option<Duration>,
        /// Whether the last pass ran alone.
        pub(super) ran_alone: bool,
    }

    impl Trials {
        /// Whether passes that are no trials run alone. Sharing is kept if there is nothing between them.
        fn prefer_alone(&self) -> bool {
            self.shared.zip(self.alone).is_some_and(|(shared, alone)| alone < shared * 15 / 16)
        }

        /// Calls `pass`, saying whether it runs alone.
        pub(super) fn run<R>(&mut self, images: usize, pass: impl FnOnce(bool) -> R) -> R {
            let tried = self.next();
            self.ran_alone = tried.unwrap_or_else(|| self.prefer_alone());
            let start = tried.map(|_| Instant::now());
            let result = pass(self.ran_alone);
            if let Some(start) = start {
                self.took(self.ran_alone, images, start.elapsed());
            }
            result
        }

        /// Whether the next pass is to be tried alone, if it is to be tried.
        fn next(&mut self) -> Option<bool> {
            let pass = self.passes;
            if pass == 0 {
                *self = Self::default();
            }
            self.passes = (pass + 1) % PERIOD;
            match pass {
                0..TRIES => Some(false),
                _ if pass < 2 * TRIES && !self.sharing_pays(pass - TRIES) => Some(true),
                _ => None,
            }
        }

        /// Whether that is clear after so many tries alone.
        fn sharing_pays(&self, tries: u32) -> bool {
            self.shared.is_some_and(|shared| {
                let slower = self.alone.is_some_and(|alone| alone > shared * 5 / 4);
                shared > LONG || tries >= 2 && slower
            })
        }

        /// Takes note of how long a pass that was tried took.
        fn took(&mut self, alone: bool, images: usize, time: Duration) {
            let best = if alone { &mut self.alone } else { &mut self.shared };
            let time = time / images as u32;
            *best = Some(best.map_or(time, |best| best.min(time)));
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// How many of `passes` passes run alone, if an image takes so many microseconds alone and shared.
        fn alone(trials: &mut Trials, passes: u32, times: (u64, u64)) -> u32 {
            (1..=passes)
                .filter(|&images| match trials.next() {
                    Some(alone) => {
                        let micros = if alone { times.0 } else { times.1 };
                        trials.took(alone, images as usize, Duration::from_micros(micros) * images);
                        alone
                    }
                    None => trials.prefer_alone(),
                })
                .count() as u32
        }

        #[test]
        fn passes_stay_alone_where_that_is_quicker_and_come_back() {
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, PERIOD, (45, 63)), PERIOD - TRIES);
            assert_eq!(alone(&mut trials, PERIOD, (45, 31)), 2);
            assert_eq!(alone(&mut trials, PERIOD, (45, 47)), TRIES, "not worth a change");
            assert_eq!(alone(&mut trials, PERIOD, (45, 63)), PERIOD - TRIES);
        }

        #[test]
        fn long_passes_are_never_tried_alone() {
            let long = 2 * LONG.as_micros() as u64;
            assert_eq!(alone(&mut Trials::default(), 2 * PERIOD, (1, long)), 0);
            let mut trials = Trials::default();
            assert_eq!(alone(&mut trials, PERIOD, (45, 63)), PERIOD - TRIES);
            assert_eq!(alone(&mut trials, PERIOD, (1, long)), 0, "they were short before");
        }

        #[test]
        fn what_surrounds_a_pass_goes_its_way() {
            let mut trials = Trials::default();
            let mut ways = [0, 0];
            for _ in 0..2 * TRIES {
                let alone = trials.run(1, |alone| alone);
                assert_eq!(trials.ran_alone, alone);
                ways[usize::from(alone)] += 1;
            }
            assert!(ways[0] >= TRIES && ways[1] >= 2, "{ways:?}");
        }

        #[test]
        fn time_counts_by_the_image() {
            let mut trials = Trials::default();
            // The passes that are tried alone have more images, and take longer.
            alone(&mut trials, 2 * TRIES, (100, 300));
            assert!(trials.prefer_alone());
        }
    }
}
