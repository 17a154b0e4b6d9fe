//! HTTP: the routes, and what is the same for all of them.
//!
//! ```text
//! connection ─▶ count, time ─▶ same origin? ─▶ body limits ─▶ route ─▶ answer or problem JSON
//! ```
//!
//! *Invariant.* Every answer of 400 and above is problem JSON (RFC 9457) with what is wrong and,
//! where there is one, a hint. Every route is in the table [`routes`], and `openapi.json` lists
//! exactly these.
//!
//! *Not here.* Users and rights: this version has none and listens on loopback only.

mod backup;
mod certificates;
mod collectors;
mod connection;
mod correct;
mod events;
mod forward;
mod guard;
mod influx;
mod json;
mod live;
mod moment;
mod oee;
mod page;
mod plant;
mod problem;
mod select;
mod sparkplug;
mod spc;
mod sql;
mod status;
mod tags;
mod trial;
mod write;

pub(crate) use connection::Listener;
pub(crate) use live::FOLLOWERS_MAX;
pub(crate) use problem::Problem;
pub(crate) use select::Selection;
pub(crate) use status::Facts;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use guard::Allowance;

/// One route: method, path, and who answers.
struct Route {
    method: &'static str,
    path: &'static str,
    answer: MethodRouter<Arc<Facts>>,
}

/// Every route there is.
fn routes() -> Vec<Route> {
    [asking(), sending()].into_iter().flatten().collect()
}

const fn route(
    method: &'static str,
    path: &'static str,
    answer: MethodRouter<Arc<Facts>>,
) -> Route {
    Route { method, path, answer }
}

/// Where senders of other makes write, and what they ask before.
fn sending() -> Vec<Route> {
    vec![
        route("post", "/api/v1/write", write::series()),
        route("post", "/api/v2/write", write::lines()),
        route("post", "/api/v3/write_lp", write::lines_of_version_3()),
        route("post", "/write", write::lines()),
        route("get", "/ping", get(influx::ping)),
        route("get", "/query", get(influx::ask)),
        route("post", "/query", post(influx::ask_in_form)),
    ]
}

/// Everything else.
fn asking() -> Vec<Route> {
    vec![
        route("get", "/api/v1/openapi.json", get(openapi)),
        route("get", "/", get(page::first)),
        route("get", "/health", get(status::health)),
        route("get", "/metrics", get(status::metrics)),
        route("get", "/api/v1/status", get(status::status)),
        route("get", "/api/v1/refusals", get(status::refusals)),
        route("get", "/api/v1/damages", get(backup::damages)),
        route("post", "/api/v1/backup", post(backup::backup)),
        route("post", "/api/v1/clock/confirm", post(backup::confirm_clock)),
        route("get", "/api/v1/sql", sql::answer_link()),
        route("post", "/api/v1/sql", sql::answer()),
        route("get", "/api/v1/tags", get(tags::list)),
        route("patch", "/api/v1/tags", patch(tags::change)),
        route("post", "/api/v1/samples", write::rows()),
        route("post", "/api/v1/samples/edit", post(correct::edit)),
        route("post", "/api/v1/samples/delete", post(correct::delete)),
        route("get", "/api/v1/audit", get(correct::audit)),
        route("post", "/api/v1/ingest/dry-run", post(trial::run)),
        route("get", "/api/v1/sparkplug", get(sparkplug::nodes)),
        route("post", "/api/v1/sparkplug/command", post(sparkplug::command)),
        route("get", "/api/v1/collectors", get(collectors::list)),
        route("get", "/api/v1/collectors/{name}", get(collectors::one)),
        route("put", "/api/v1/collectors/{name}", put(collectors::define)),
        route("patch", "/api/v1/collectors/{name}", patch(collectors::change)),
        route("delete", "/api/v1/collectors/{name}", delete(collectors::remove)),
        route("post", "/api/v1/collectors/{name}/call", post(collectors::call)),
        route("get", "/api/v1/forward", get(forward::meet)),
        route("post", "/api/v1/forward", post(forward::take)),
        route("get", "/api/v1/forwards", get(forward::list)),
        route("get", "/api/v1/forwards/{name}", get(forward::one)),
        route("put", "/api/v1/forwards/{name}", put(forward::define)),
        route("patch", "/api/v1/forwards/{name}", patch(forward::change)),
        route("delete", "/api/v1/forwards/{name}", delete(forward::remove)),
        route("get", "/api/v1/gaps", get(collectors::gaps)),
        route("get", "/api/v1/sources", get(status::clocks)),
        route("get", "/api/v1/assets", get(plant::assets)),
        route("put", "/api/v1/assets", put(plant::define_assets)),
        route("delete", "/api/v1/assets", delete(plant::remove_asset)),
        route("get", "/api/v1/calendars", get(plant::calendars)),
        route("get", "/api/v1/calendars/{name}", get(plant::calendar)),
        route("put", "/api/v1/calendars/{name}", put(plant::define_calendar)),
        route("delete", "/api/v1/calendars/{name}", delete(plant::remove_calendar)),
        route("get", "/api/v1/oee", get(oee::list)),
        route("put", "/api/v1/oee", put(oee::define)),
        route("delete", "/api/v1/oee", delete(oee::remove)),
        route("get", "/api/v1/events", get(events::events)),
        route("post", "/api/v1/events", post(events::add_event)),
        route("get", "/api/v1/events/{id}", get(events::event)),
        route("patch", "/api/v1/events/{id}", patch(events::change_event)),
        route("delete", "/api/v1/events/{id}", delete(events::remove_event)),
        route("get", "/api/v1/annotations", get(events::annotations)),
        route("post", "/api/v1/annotations", post(events::add_annotation)),
        route("get", "/api/v1/annotations/{id}", get(events::annotation)),
        route("patch", "/api/v1/annotations/{id}", patch(events::change_annotation)),
        route("delete", "/api/v1/annotations/{id}", delete(events::remove_annotation)),
        route("get", "/api/v1/spc", get(spc::plans)),
        route("get", "/api/v1/spc/{name}", get(spc::plan)),
        route("put", "/api/v1/spc/{name}", put(spc::define)),
        route("delete", "/api/v1/spc/{name}", delete(spc::remove)),
        route("post", "/api/v1/spc/{name}/limits", post(spc::freeze)),
        route("get", "/api/v1/opcua/certificates", get(certificates::list)),
        route("post", "/api/v1/opcua/certificates", post(certificates::decide)),
        route("get", "/api/v1/live", get(live::follow)),
        route("get", "/api/v1/live/events", get(live::events)),
    ]
}

/// Method and path of every route, one a line.
fn listing() -> String {
    let lines: Vec<String> = routes()
        .iter()
        .map(|route| format!("{:<5} {}\n", route.method.to_uppercase(), route.path))
        .collect();
    lines.concat()
}

/// The whole of HTTP over these facts.
pub(crate) fn router(facts: Arc<Facts>, body_timeout: Duration) -> Router {
    let allowance = Allowance { bytes_max: facts.body_bytes_max, time_max: body_timeout };
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.answer))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(allowance.bytes_max))
        .layer(middleware::from_fn(move |request, next| {
            guard::bound_body(request, next, allowance)
        }))
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn(problem::speak_plainly))
        .layer(middleware::from_fn_with_state(Arc::clone(&facts), guard::count))
        .with_state(facts)
}

async fn nothing_here(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at \"{}\"", request.uri().path()))
        .hint("/api/v1/openapi.json lists what there is")
}

async fn other_method(request: Request) -> Problem {
    let detail = format!("\"{}\" does not take {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        .hint("/api/v1/openapi.json lists what each path takes")
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("http/openapi.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openapi_lists_exactly_the_served_routes() {
        let document: serde_json::Value =
            serde_json::from_str(include_str!("http/openapi.json")).unwrap();
        let mut listed: Vec<(String, String)> = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                listed.push((path.clone(), method.clone()));
            }
        }
        let mut served: Vec<(String, String)> =
            routes().iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        listed.sort();
        served.sort();
        assert_eq!(listed, served);
    }
}
