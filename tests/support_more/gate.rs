//! Something to wait for: closed at first, opened once.

use std::sync::{Arc, Condvar, Mutex};

use super::DEADLINE;

/// A gate; its clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn closed() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Waits until it is open.
    pub fn pass(&self) {
        let (mutex, opened) = &*self.0;
        let open = mutex.lock().unwrap();
        let (open, _) = opened.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap();
        if !*open {
            drop(open);
            panic!("nobody opened the gate");
        }
    }
}
