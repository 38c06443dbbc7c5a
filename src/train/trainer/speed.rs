//! The speed of steps, measured by the arrival of their losses.

use std::collections::VecDeque;
use std::time::Duration;

use web_time::Instant;

/// Losses may arrive right behind each other, for whoever waits for them wakes late: what arrives within so long is measured
/// together with what came before it.
const SPAN: Duration = Duration::from_millis(250);

/// The arrivals of losses since steps were last begun without any under way.
pub(super) struct Speed {
    arrivals: VecDeque<Arrival>,
    last: Instant,
    /// Seconds a step took lately, if that is known.
    pub seconds_per_step: Option<f64>,
}

/// Losses that came at once.
struct Arrival {
    /// When those before them came.
    since: Instant,
    steps: usize,
    images: f64,
}

impl Speed {
    pub fn new(now: Instant) -> Self {
        Self { arrivals: VecDeque::new(), last: now, seconds_per_step: None }
    }

    /// Steps begin `now`, after something else that took time.
    pub fn begin(&mut self, now: Instant) {
        self.arrivals.clear();
        self.last = now;
    }

    /// The losses of `steps` steps with `images` images arrive `now`: seconds since those before, and images a second.
    pub fn arrive(&mut self, now: Instant, steps: usize, images: f64) -> (f64, f64) {
        let seconds = (now - self.last).as_secs_f64();
        self.arrivals.push_back(Arrival { since: self.last, steps, images });
        self.last = now;
        while self.arrivals.get(1).is_some_and(|second| now - second.since >= SPAN) {
            self.arrivals.pop_front();
        }
        let all = self.arrivals.iter();
        let (steps, images) = all.fold((0, 0.0), |(steps, images), one| (steps + one.steps, images + one.images));
        let span = self.arrivals.front().map_or(0.0, |first| (now - first.since).as_secs_f64()).max(1e-9);
        self.seconds_per_step = Some(span / steps.max(1) as f64);
        (seconds, images / span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 images a second: whatever arrives when, no line says much more.
    #[test]
    fn what_arrives_late_was_no_faster() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut speed = Speed::new(start);
        assert_eq!(speed.arrive(at(500), 5, 50.0), (0.5, 100.0));
        // Two read-backs, of which the first was taken late, and the second right behind it.
        let (_, late) = speed.arrive(at(1490), 5, 50.0);
        let (seconds, behind) = speed.arrive(at(1500), 5, 50.0);
        assert!(late < 100.0 && (behind - 100.0).abs() < 1.0, "{late} {behind}");
        assert!((seconds - 0.01).abs() < 1e-9, "an epoch's seconds are added up of all of them");
        assert!((speed.seconds_per_step.unwrap() - 0.1).abs() < 0.001);
        // One that is long enough stands for itself.
        assert_eq!(speed.arrive(at(2000), 10, 100.0).1, 200.0);
        // What was done in between is no time of steps.
        speed.begin(at(9000));
        assert_eq!(speed.arrive(at(9100), 1, 10.0).1, 100.0);
    }
}
