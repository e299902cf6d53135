//! The time of queries. It goes on while the machine sleeps, or a laptop would wake with answers of yesterday; and it never
//! goes back, or an exception that has ended would hold again when somebody sets the clock.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Now;

/// The time since it was made, and the latest that the system's clock has been beside it.
#[derive(Debug)]
pub(super) struct Clock {
    #[cfg(target_os = "linux")]
    start: Duration,
    #[cfg(not(target_os = "linux"))]
    start: std::time::Instant,
    /// Unix nanoseconds at the start, by the latest that was ever read.
    latest: AtomicI64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { start: start(), latest: AtomicI64::new(i64::MIN) }
    }

    /// This moment.
    pub(super) fn now(&self) -> Now {
        // In this order: should the machine sleep between the two, it is the time passed that is longer, and not the time
        // of queries that is ahead for good.
        let unix = unix_nanos();
        self.at(self.passed(), unix)
    }

    /// How far the system's clock is behind the time that queries see.
    pub(super) fn behind(&self) -> Duration {
        let unix = unix_nanos();
        let passed = self.passed();
        let behind = self.latest(passed, unix).saturating_add(passed).saturating_sub(unix);
        Duration::from_nanos(u64::try_from(behind).unwrap_or(0))
    }

    fn at(&self, passed: i64, unix: i64) -> Now {
        Now {
            millis: u64::try_from(passed).unwrap_or(0) / 1_000_000,
            unix: self.latest(passed, unix).saturating_add(passed).div_euclid(1_000_000_000),
        }
    }

    fn latest(&self, passed: i64, unix: i64) -> i64 {
        let (start, latest) = (unix.saturating_sub(passed), self.latest.load(Relaxed));
        // Read by all workers, so not written where nothing is new.
        if start <= latest { latest } else { self.latest.fetch_max(start, Relaxed).max(start) }
    }

    #[cfg(target_os = "linux")]
    fn passed(&self) -> i64 {
        nanos(start().saturating_sub(self.start))
    }

    #[cfg(not(target_os = "linux"))]
    fn passed(&self) -> i64 {
        nanos(self.start.elapsed())
    }
}

/// The clock that goes on while the machine sleeps.
#[cfg(target_os = "linux")]
fn start() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}

fn unix_nanos() -> i64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Nanoseconds, which are enough for 292 years.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_queries_follows_the_clock_forward_and_not_back() {
        let clock = Clock::new();
        // Milliseconds passed, the system's clock in seconds, the time of queries in seconds.
        for (passed, system, expected) in [
            (0, 1_000_000, 1_000_000),
            (10_000, 1_000_010, 1_000_010),
            // Set back by an hour: it goes on from where it was.
            (20_000, 996_420, 1_000_020),
            (30_500, 996_430, 1_000_030),
            // Set forward.
            (40_000, 1_000_100, 1_000_100),
            // To the year 1970, as a machine without a clock of its own.
            (50_000, 0, 1_000_110),
            (60_000, 1_000_121, 1_000_121),
        ] {
            let now = clock.at(passed * 1_000_000, system * 1_000_000_000);
            assert_eq!((now.millis, now.unix), (passed as u64, expected), "{passed} {system}");
        }
    }

    #[test]
    fn the_time_of_queries_is_never_ahead_of_the_clock() {
        let clock = Clock::new();
        for _ in 0..100_000 {
            let now = clock.now();
            let system = unix_nanos();
            let queries = clock.latest.load(Relaxed) + clock.passed();
            assert!(now.unix <= system / 1_000_000_000);
            assert!(queries <= unix_nanos(), "{} ns ahead", queries - system);
        }
    }

    #[test]
    fn it_begins_with_the_system_s_clock() {
        let clock = Clock::new();
        let now = clock.now();
        assert!((unix_nanos() / 1_000_000_000 - now.unix).abs() <= 1 && now.millis < 1000, "{now:?}");
        assert!(clock.behind() < Duration::from_secs(1));
    }
}
