//! What etcd's own log says of data that it cannot use. etcd never says «damaged»: it says it in a dozen ways.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What `knarr-node` writes into a component's log at each of its starts.
const STARTED: &str = "knarr-node: etcd started as process";
/// Parts of the words with which etcd refuses data. What it says of flags, ports and disks has none of them.
const REFUSALS: [&str; 9] = [
    "walpb: ",
    "wal: ",
    ".wal'",
    "snap: ",
    "crc mismatch",
    "checksum",
    "invalid database",
    "version mismatch",
    "file size too small",
];

/// Why the last life of etcd in this log could not go on with its data; none if that is not what it died of.
pub fn damage(log: &str) -> Option<String> {
    // The next life may have begun, and not have come to it yet.
    let mut lives = log.rsplit(STARTED);
    let last = lives.next().and_then(of_one_life);
    last.or_else(|| lives.next().filter(|before| before.len() < log.len()).and_then(of_one_life))
}

fn of_one_life(life: &str) -> Option<String> {
    let events: Vec<Value> = life.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let told = |message: &str| events.iter().rfind(|event| event["msg"] == message);
    let folder = told("starting an etcd server").map(|event| text(event, "member-dir")).unwrap_or_default();
    let gave_up = events.iter().rfind(|event| matches!(event["level"].as_str(), Some("fatal" | "panic")));
    if let Some(event) = gave_up {
        let (error, path) = (text(event, "error"), text(event, "path"));
        if REFUSALS.iter().any(|words| error.contains(words)) {
            let place = if path.is_empty() { folder } else { path };
            return Some(format!("`{place}`: {error}"));
        }
    }
    // The database says how far it has come, the log of writes how far that goes.
    let index = |message: &str, key: &str| told(message).and_then(|event| event[key].as_u64());
    if let (Some(holds), Some(ends)) =
        (index("restore consistentIndex", "index"), index("restarting local member", "commit-index"))
        && ends < holds
    {
        return Some(format!("`{folder}/wal` ends at write {ends}, but `{folder}/snap/db` holds {holds}"));
    }
    let fault = life.lines().find(|line| line.starts_with("fatal error: fault") || line.starts_with("panic: "));
    let words = fault.filter(|_| life.contains("go.etcd.io/bbolt"))?;
    Some(format!("`{folder}/snap/db` cannot be read: {words}"))
}

/// Where the last life of etcd in this log found no data and began with none; none if it had some, or if it began before
/// `since`, in seconds since 1970: then the next one has not come to it yet.
pub fn began_empty(log: &str, since: i64) -> Option<String> {
    let (before, life) = log.rsplit_once(STARTED)?;
    let when = OffsetDateTime::parse(before.lines().next_back()?.trim(), &Rfc3339).ok()?;
    if when.unix_timestamp() < since {
        return None;
    }
    let mut events = life.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let start = events.find(|event| event["msg"] == "starting an etcd server")?;
    (start["member-initialized"] == false).then(|| format!("{}/wal", start["member-dir"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A life of etcd 3.6, shortened.
    fn life(initialized: bool, lines: &str) -> String {
        format!(
            "2026-11-28T17:19:05.895Z knarr-node: etcd started as process 646\n\
             {{\"level\":\"info\",\"msg\":\"starting an etcd server\",\"member-initialized\":{initialized},\
             \"member-dir\":\"/var/lib/etcd/member\"}}\n{lines}\n"
        )
    }

    #[test]
    fn each_way_of_being_damaged_is_told_with_its_file() {
        let wal = r#"{"level":"fatal","msg":"discovery failed","error":"walpb: crc mismatch: expected: 99dfe245 computed: 469f5b3b: in file '0-0.wal' at position: 856"}"#;
        let db = r#"{"level":"panic","msg":"failed to open database","path":"/var/lib/etcd/member/snap/db","error":"invalid database"}"#;
        let short = "{\"level\":\"info\",\"msg\":\"restore consistentIndex\",\"index\":325}\n\
                     {\"level\":\"info\",\"msg\":\"restarting local member\",\"commit-index\":6}\n\
                     panic: cannot use none as id";
        let fault = "unexpected fault address 0x7fe8db266000\nfatal error: fault\n\
                     [signal SIGBUS: bus error]\ngo.etcd.io/bbolt.(*DB).freepages.func2()";
        let table = [
            (
                wal,
                "`/var/lib/etcd/member`: walpb: crc mismatch: expected: 99dfe245 computed: 469f5b3b: in file '0-0.wal' at position: 856",
            ),
            (db, "`/var/lib/etcd/member/snap/db`: invalid database"),
            (short, "`/var/lib/etcd/member/wal` ends at write 6, but `/var/lib/etcd/member/snap/db` holds 325"),
            (fault, "`/var/lib/etcd/member/snap/db` cannot be read: fatal error: fault"),
        ];
        for (lines, wanted) in table {
            let log = life(true, "") + &life(true, lines);
            assert_eq!(damage(&log).as_deref(), Some(wanted));
            assert_eq!(damage(&(log + &life(true, ""))).as_deref(), Some(wanted), "the next life has just begun");
        }
    }

    #[test]
    fn other_deaths_are_no_damage() {
        let port = r#"{"level":"fatal","msg":"discovery failed","error":"listen tcp 127.0.0.1:2379: bind: address already in use"}"#;
        let full = r#"{"level":"panic","msg":"failed to commit tx","error":"write /var/lib/etcd/member/snap/db: no space left on device"}"#;
        let whole = "{\"level\":\"info\",\"msg\":\"restore consistentIndex\",\"index\":325}\n\
                     {\"level\":\"info\",\"msg\":\"restarting local member\",\"commit-index\":330}";
        for lines in [port, full, whole, "panic: runtime error: index out of range", ""] {
            assert_eq!(damage(&life(true, lines)), None, "{lines}");
        }
        assert_eq!(damage(""), None);
        assert_eq!(damage("the last line of /var/log/knarr/etcd.log\n"), None);
    }

    #[test]
    fn only_the_last_life_tells_of_a_beginning() {
        let start = 1_795_886_345;
        assert_eq!(began_empty(&life(false, ""), start).as_deref(), Some("/var/lib/etcd/member/wal"));
        assert_eq!(began_empty(&life(false, ""), start + 1), None, "the next life has not begun");
        assert_eq!(began_empty(&(life(false, "") + &life(true, "")), start), None);
        assert_eq!(began_empty("no log", start), None);
    }
}
