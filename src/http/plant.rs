//! Assets and calendars: listed, defined, removed.
//!
//! *Invariant.* What is answered for is on disk, all of it or nothing, and the next statement shows
//! it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tacitus_query::calendar::{Calendar, CalendarDefinition, Fault};
use tacitus_query::plant::{Asset, Plant};

use super::json::{answer, object};
use super::select::unknown;
use super::{Facts, Problem};
use crate::plant::limits::PAGE_MAX;
use crate::plant::{AssetDefinition, Mistake};

/// How many rows a page has where nothing is said.
pub(super) const PAGE: usize = 1000;

/// `GET /api/v1/assets`.
pub(super) async fn assets(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (asked, plant) = (PathPage::read(&parameters)?, facts.plants.now());
    let (page, next) = asked.of(plant.assets(), |asset| asset.path.as_str());
    let documents: Vec<Value> = page.iter().map(|asset| asset_document(asset, &plant)).collect();
    Ok(answer(&json!({"assets": documents, "next": next})))
}

/// A page of what has the path of an asset, by path.
pub(super) struct PathPage<'a> {
    under: &'a str,
    after: &'a str,
    limit: usize,
}

impl<'a> PathPage<'a> {
    pub(super) fn read(parameters: &'a [(String, String)]) -> Result<Self, Problem> {
        let mut page = Self { under: "", after: "", limit: PAGE };
        for (name, value) in parameters {
            match name.as_str() {
                "under" => page.under = value,
                "after" => page.after = value,
                "limit" => page.limit = page_rows(value)?,
                _ => return Err(unknown(name, "under, limit and after")),
            }
        }
        Ok(page)
    }

    /// The rows of the page out of all, which are sorted by path; the path after which the next page
    /// begins, if there is one.
    pub(super) fn of<'r, R>(
        &self,
        all: impl Iterator<Item = R>,
        path: impl Fn(&R) -> &'r str,
    ) -> (Vec<R>, Option<&'r str>) {
        let is_meant = |row: &R| {
            let path = path(row);
            let rest = path.strip_prefix(self.under);
            let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            path > self.after && (self.under.is_empty() || below)
        };
        let mut page: Vec<R> = all.filter(is_meant).take(self.limit + 1).collect();
        let more = page.len() > self.limit;
        page.truncate(self.limit);
        let next = page.last().filter(|_| more).map(path);
        (page, next)
    }
}

/// Assets to define.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assets {
    assets: Vec<AssetDefinition>,
}

/// `PUT /api/v1/assets`.
pub(super) async fn define_assets(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let Assets { assets } = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the assets cannot be read: {error}"))
            .hint("send {\"assets\": [{\"path\": \"acme/line1\", …}]}; nothing was changed")
    })?;
    let paths: Vec<String> = assets.iter().map(|asset| asset.path.clone()).collect();
    let plant = facts.plants.put_assets(assets).await?;
    let assets = paths.iter().filter_map(|path| plant.asset(path));
    let documents: Vec<Value> = assets.map(|asset| asset_document(asset, &plant)).collect();
    Ok(answer(&json!({"assets": documents})))
}

/// `DELETE /api/v1/assets`.
pub(super) async fn remove_asset(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<StatusCode, Problem> {
    let (mut path, mut below) = (None, false);
    for (name, value) in &parameters {
        match (name.as_str(), value.as_str()) {
            ("path", value) => path = Some(value),
            ("below", "true") => below = true,
            ("below", "false") => below = false,
            _ => return Err(unknown(name, "path and below (true or false)")),
        }
    }
    let path = path.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "no asset is named")
            .hint("DELETE /api/v1/assets?path=acme/line1; &below=true takes all below it too")
    })?;
    facts.plants.remove_asset(path, below).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn asset_document(asset: &Asset, plant: &Plant) -> Value {
    // It was made of an object.
    let attributes: Value = serde_json::from_str(&asset.attributes).unwrap_or_default();
    json!({
        "path": asset.path,
        "level": asset.level,
        "description": asset.description,
        "timezone": asset.timezone,
        "calendar": asset.calendar,
        "template": asset.template,
        "attributes": attributes,
        "parent": plant.parent(&asset.path).map(|parent| parent.path.as_str()),
        "inherited": {
            "timezone": plant.timezone(&asset.path),
            "calendar": plant.calendar_name(&asset.path),
        },
    })
}

/// `GET /api/v1/calendars`.
pub(super) async fn calendars(State(facts): State<Arc<Facts>>) -> Response {
    let plant = facts.plants.now();
    let documents: Vec<Value> =
        plant.calendars().map(|(name, calendar)| calendar_document(name, calendar)).collect();
    answer(&json!({"calendars": documents}))
}

/// `GET /api/v1/calendars/{name}`.
pub(super) async fn calendar(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    named(&facts.plants.now(), &name)
}

/// `PUT /api/v1/calendars/{name}`.
pub(super) async fn define_calendar(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let definition: CalendarDefinition = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the calendar cannot be read: {error}")).hint(
            "send {\"timezone\": \"Europe/Berlin\", \"shifts\": [{\"name\": \"early\", \
                 \"start\": \"06:00\", \"end\": \"14:00\"}]}; nothing was changed",
        )
    })?;
    named(&*facts.plants.put_calendar(&name, definition).await?, &name)
}

/// `DELETE /api/v1/calendars/{name}`.
pub(super) async fn remove_calendar(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    facts.plants.remove_calendar(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn named(plant: &Plant, name: &str) -> Result<Response, Problem> {
    let calendar = plant.calendar(name).ok_or_else(|| Mistake::no_calendar(name))?;
    Ok(answer(&calendar_document(name, calendar)))
}

fn calendar_document(name: &str, calendar: &Calendar) -> Value {
    json!({"name": name, "definition": calendar.definition()})
}

/// How many rows a page shall have.
pub(super) fn page_rows(text: &str) -> Result<usize, Problem> {
    let rows = text.parse().ok().filter(|rows| (1..=PAGE_MAX).contains(rows));
    rows.ok_or_else(|| {
        let detail = format!("a page has 1 to {PAGE_MAX} rows, not \"{text}\"");
        Problem::new(StatusCode::BAD_REQUEST, detail)
            .hint("ask for the next page with after=, the \"next\" of this one")
    })
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let (status, hint) = match &mistake {
            Mistake::Unknown(kind, _) => {
                (StatusCode::NOT_FOUND, format!("GET {} lists what there is", kind.route()))
            }
            Mistake::Name(_) => (
                StatusCode::BAD_REQUEST,
                "a name has 1 to 128 bytes and no /; nothing was changed".to_owned(),
            ),
            Mistake::InUse(..) => (
                StatusCode::CONFLICT,
                "give its assets another calendar first; nothing was changed".to_owned(),
            ),
            Mistake::Faults(_) | Mistake::TooManyAtOnce(_) | Mistake::TooLarge(..) => {
                (StatusCode::BAD_REQUEST, "nothing was changed".to_owned())
            }
            Mistake::TooMany(..) => {
                (StatusCode::CONFLICT, "remove some that are not needed".to_owned())
            }
            Mistake::NotKept(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "nothing was changed; try again".to_owned())
            }
        };
        let problem = Self::new(status, mistake.to_string()).hint(hint);
        let Mistake::Faults(faults) = mistake else { return problem };
        problem.with("problems", faults.iter().map(fault_document).collect::<Vec<_>>())
    }
}

fn fault_document(fault: &Fault) -> Value {
    json!({"key": fault.key, "reason": fault.reason, "hint": fault.hint})
}
