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
    pub(crate) fn run<R>(
        &mut self,
        cx: &Context,
        images: usize,
        pass: impl FnOnce(&Context) -> R,
    ) -> R {
        #[cfg(feature = "parallel")]
        if cx.threads() > 1 {
            return self.trials.run(images, |alone| match alone {
                true => pass(&Context::sequential(cx.isa())),
                false => pass(cx),
            });
        }
        let _ = images;
        pass(cx)
    }

    /// The context of what belongs to such a pass.
    pub(crate) fn context(&self, cx: Context) -> Context {
        #[cfg(feature = "parallel")]
        if self.trials.alone() {
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
        prefers_alone: bool,
    }

    impl Trials {
        /// Whether passes that are no trials run alone.
        pub(super) fn alone(&self) -> bool {
            self.prefers_alone
        }

        /// Calls `pass`, saying whether it runs alone.
        pub(super) fn run<R>(&mut self, images: usize, pass: impl FnOnce(bool) -> R) -> R {
            let Some(alone) = self.next() else { return pass(self.prefers_alone) };
            let start = Instant::now();
            let result = pass(alone);
            self.took(alone, start.elapsed() / images.max(1) as u32);
            result
        }

        /// Whether the next pass is to be tried alone, if it is to be tried.
        fn next(&mut self) -> Option<bool> {
            let pass = self.passes;
            self.passes = (pass + 1) % PERIOD;
            if pass == 0 {
                (self.shared, self.alone) = (None, None);
            }
            match pass {
                0..TRIES => Some(false),
                _ if pass < 2 * TRIES && !self.is_settled() => Some(true),
                _ => None,
            }
        }

        /// Whether it is clear without more tries that sharing pays.
        fn is_settled(&self) -> bool {
            let Some(shared) = self.shared else { return false };
            let tries = self.passes.saturating_sub(TRIES + 1);
            shared > LONG || tries >= 2 && self.alone.is_some_and(|alone| alone > shared * 5 / 4)
        }

        /// Takes note of what an image took in a pass that was tried.
        fn took(&mut self, alone: bool, time: Duration) {
            let best = if alone { &mut self.alone } else { &mut self.shared };
            *best = Some(best.map_or(time, |best| best.min(time)));
            // Sharing is kept if there is nothing between them.
            if let (Some(alone), Some(shared)) = (self.alone, self.shared) {
                self.prefers_alone = alone < shared * 15 / 16;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// How many of `passes` passes run alone, if each takes so many microseconds alone and shared.
        fn alone(trials: &mut Trials, passes: u32, times: (u64, u64)) -> u32 {
            (0..passes)
                .filter(|_| match trials.next() {
                    Some(alone) => {
                        let micros = if alone { times.0 } else { times.1 };
                        trials.took(alone, Duration::from_micros(micros));
                        alone
                    }
                    None => trials.alone(),
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
        }

        #[test]
        fn time_counts_by_the_image() {
            let mut trials = Trials::default();
            for pass in 0..2 * TRIES {
                trials.run(1 + pass as usize, |alone| {
                    let image = Duration::from_micros(if alone { 100 } else { 300 });
                    std::thread::sleep(image * (1 + pass));
                });
            }
            assert!(trials.alone());
        }
    }
}
