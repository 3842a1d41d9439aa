//! A client that writes all the time through the one address of the kubeconfig, and remembers what was acknowledged.

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

use crate::cluster::{Cluster, text};
use crate::wait::{seconds, until};

/// Between the beginnings of two writes.
const EVERY: Duration = Duration::from_millis(100);
/// How long one try may take; a write that takes longer is not acknowledged.
const PATIENCE: Duration = seconds(2);
/// So many acknowledged writes, three seconds of them, mean that writes go on.
const GOES_ON: usize = 30;
/// How long writes may be away before the case is given up.
const AWAY: Duration = seconds(120);

#[derive(Default)]
struct Record {
    acknowledged: BTreeSet<u32>,
    /// When the last write was acknowledged.
    last: Option<Instant>,
    /// The longest time between two acknowledgements since it was last set back.
    longest: Duration,
    /// What was said in place of an acknowledgement, and how often, since it was last set back.
    refusals: BTreeMap<String, u32>,
}

impl Record {
    fn acknowledge(&mut self, number: u32) {
        let now = Instant::now();
        let gap = self.last.map_or(Duration::ZERO, |last| now - last);
        self.longest = self.longest.max(gap);
        self.last = Some(now);
        self.acknowledged.insert(number);
    }
}

/// The client; it ends when it is dropped.
pub struct Writer {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Begins to write; returns when writes are acknowledged.
    pub fn start(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let (record, stop) = (Arc::new(Mutex::new(Record::default())), Arc::new(AtomicBool::new(false)));
        let (theirs, stopped) = (Arc::clone(&record), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(write(kubeconfig, &theirs, &stopped));
        });
        let writer = Self { record, stop, thread: Some(thread) };
        writer.goes_on();
        writer
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }

    /// How many writes were acknowledged.
    fn count(&self) -> usize {
        self.record().acknowledged.len()
    }

    /// Waits until writes go on.
    pub fn goes_on(&self) {
        let before = self.count();
        until("writes go on", AWAY, || match self.count() - before {
            GOES_ON.. => Ok(()),
            few => Err(format!("{few} writes; {:#?}", self.record().refusals)),
        });
    }

    /// Does something, waits until writes go on, and prints how long they did not. More than `limit` is a failure.
    #[track_caller]
    pub fn bears<T>(&self, what: &str, limit: Duration, disturb: impl FnOnce() -> T) -> T {
        {
            let mut record = self.record();
            record.longest = Duration::ZERO;
            record.refusals.clear();
        }
        let outcome = disturb();
        self.goes_on();
        let record = self.record();
        eprintln!("failover, {what}: {:.1} s", record.longest.as_secs_f64());
        assert!(record.longest <= limit, "{what}: no write for {:?}; {:#?}", record.longest, record.refusals);
        outcome
    }

    /// Every write that was acknowledged is there.
    #[track_caller]
    pub fn lost_nothing(&self, cluster: &Cluster<'_>) {
        // Before the list: what is acknowledged afterwards need not be in it.
        let acknowledged = self.record().acknowledged.clone();
        let list = cluster.get(&["configmaps", "-l", "written=here"]);
        let name = |object| text(object, "/metadata/name").trim_start_matches("write-").parse().expect("a number");
        let there: BTreeSet<u32> = list["items"].as_array().expect("a list").iter().map(name).collect();
        let lost: Vec<&u32> = acknowledged.difference(&there).collect();
        eprintln!("{} writes acknowledged, {} lost", acknowledged.len(), lost.len());
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
}

impl Drop for Writer {
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
