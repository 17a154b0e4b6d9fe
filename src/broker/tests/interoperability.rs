//! What the interoperability suites of Eclipse Paho check, one test for each of their cases: 10 for
//! MQTT 3.1.1, 27 for MQTT 5, under the names they have there.

mod v3_1_1;
mod v5;

use super::super::Settings;
use super::super::rights::Right;
use super::House;

/// Everything is allowed, as the suites ask for.
async fn open() -> House {
    let all = || vec!["#".to_owned(), "$SYS/#".to_owned(), "$TopicA/#".to_owned()];
    let right = Right { user: "*".to_owned(), publish: all(), subscribe: all(), deny: vec![] };
    let rights = vec![right];
    House::open_with(Settings { sys_every: None, rights, ..Settings::default() }).await
}
