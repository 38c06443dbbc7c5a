//! What the user wishes of a run that is under way.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    #[default]
    Go,
    Pause,
    Stop,
}

/// The latest wish, and who waits for another.
#[derive(Default)]
pub struct Control {
    wish: Cell<Wish>,
    waiting: RefCell<Option<Waker>>,
}

impl Control {
    pub fn wish(&self) -> Wish {
        self.wish.get()
    }

    pub fn set(&self, wish: Wish) {
        self.wish.set(wish);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Ends when the wish is no longer to pause.
    pub async fn unpaused(&self) {
        poll_fn(|context| match self.wish.get() {
            Wish::Pause => {
                self.waiting.replace(Some(context.waker().clone()));
                Poll::Pending
            }
            Wish::Go | Wish::Stop => Poll::Ready(()),
        })
        .await;
    }
}
