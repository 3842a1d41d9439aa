//! A client that writes all the time through the one address of a kubeconfig, and remembers what was acknowledged.
//! Tests compare it with what the cluster has; the bench times how long writes are away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Between the beginnings of two writes.
const EVERY: Duration = Duration::from_millis(100);
/// How long one try may take; a write that takes longer is not acknowledged.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of the writes.
#[derive(Clone, Default)]
pub struct Record {
    /// The numbers of the writes that were acknowledged.
    pub acknowledged: BTreeSet<u32>,
    /// The longest time between two acknowledgements since it was last set back.
    pub longest: Duration,
    /// What was said in place of an acknowledgement, and how often, since it was last set back.
    pub refusals: BTreeMap<String, u32>,
    /// When the last write was acknowledged.
    last: Option<Instant>,
}

impl Record {
    /// Forgets how long writes were away, and why.
    pub fn set_back(&mut self) {
        self.longest = Duration::ZERO;
        self.refusals.clear();
    }

    fn acknowledge(&mut self, number: u32) {
        let now = Instant::now();
        let gap = self.last.map_or(Duration::ZERO, |last| now - last);
        self.longest = self.longest.max(gap);
        self.last = Some(now);
        self.acknowledged.insert(number);
    }
}

/// The client; it ends when it is dropped.
pub struct Writes {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writes {
    /// Begins to write.
    pub fn start(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let (record, stop) = (Arc::new(Mutex::new(Record::default())), Arc::new(AtomicBool::new(false)));
        let (theirs, stopped) = (Arc::clone(&record), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(write(kubeconfig, &theirs, &stopped));
        });
        Self { record, stop, thread: Some(thread) }
    }

    /// What came of them so far.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // If it has panicked, no write went on, and that was told.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Makes one ConfigMap after the other. A number is tried once: a try without an answer may have been carried out.
async fn write(kubeconfig: Kubeconfig, record: &Mutex<Record>, stop: &AtomicBool) {
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a context");
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).expect("a client"));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        ticks.tick().await;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"number": number.to_string()},
            "metadata": {"name": format!("write-{number}"), "labels": {"written": "here"}},
        });
        let map = serde_json::from_value(map).expect("a ConfigMap");
        let answer = timeout(PATIENCE, maps.create(&PostParams::default(), &map)).await;
        let mut record = record.lock().expect("nobody panics with it");
        let refusal = match answer {
            Ok(Ok(_)) => {
                record.acknowledge(number);
                continue;
            }
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        *record.refusals.entry(refusal).or_default() += 1;
    }
}
