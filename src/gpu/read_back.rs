//! What comes back from the GPU, on its way.

/// A read-back under way.
pub struct ReadBack {
    pub(super) staging: wgpu::Buffer,
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) receiver: Receiver,
    pub(super) what: String,
}

/// A one-value channel whose receiving end is a future: map callbacks come from another thread or an event loop.
pub(super) fn oneshot() -> (Sender, Receiver) {
    let shared: std::sync::Arc<std::sync::Mutex<Shared>> = Default::default();
    (Sender(shared.clone()), Receiver(shared))
}

#[derive(Default)]
struct Shared {
    value: Option<Result<(), String>>,
    waker: Option<std::task::Waker>,
}

pub(super) struct Sender(std::sync::Arc<std::sync::Mutex<Shared>>);
pub(super) struct Receiver(std::sync::Arc<std::sync::Mutex<Shared>>);

impl Sender {
    pub fn send(self, value: Result<(), String>) {
        if let Ok(mut shared) = self.0.lock() {
            shared.value = Some(value);
            if let Some(waker) = shared.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Receiver {
    /// Whether the value is there.
    pub fn has_arrived(&self) -> bool {
        self.0.lock().is_ok_and(|shared| shared.value.is_some())
    }
}

impl Future for Receiver {
    type Output = Result<(), String>;

    fn poll(self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let Ok(mut shared) = self.0.lock() else {
            return std::task::Poll::Ready(Err("the read-back's lock is poisoned".into()));
        };
        match shared.value.take() {
            Some(value) => std::task::Poll::Ready(value),
            None => {
                shared.waker = Some(context.waker().clone());
                std::task::Poll::Pending
            }
        }
    }
}
