//! What a statement asks of this wire, before it is SQL for the query engine.
//!
//! *Invariant.* What is not one of the commands here goes to the query engine as it was written;
//! nothing is guessed from a part of a statement.

mod form;
mod words;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::failure::Failure;
use form::form;
pub(super) use form::{CopyForm, CopyStyle};
use words::Words;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// Nothing: white space and comments.
    Empty,
    /// SQL for the query engine; the word that names it when it is done.
    Query(&'static str),
    Begin,
    Commit,
    Rollback,
    /// Accepted, without an effect here; the tag that is answered.
    Accepted(&'static str),
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Set {
        name: String,
        value: Option<String>,
    },
    Show(String),
    ShowAll,
    Reset(Option<String>),
    DiscardAll,
    Deallocate(Option<String>),
    Prepare {
        name: String,
        statement: String,
    },
    Execute {
        name: String,
        arguments: String,
    },
    Declare(Cursor),
    Fetch {
        name: String,
        count: Count,
        moves: bool,
    },
    CloseCursor(Option<String>),
    CopyOut {
        question: String,
        form: CopyForm,
    },
    CopyIn {
        columns: Vec<String>,
        form: CopyForm,
    },
    Insert {
        columns: Vec<String>,
        rows: String,
    },
}

/// `DECLARE`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    pub(super) name: String,
    pub(super) binary: bool,
    pub(super) hold: bool,
    pub(super) question: String,
}

/// How far `FETCH` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Rows(u64),
    All,
}

impl Command {
    /// Whether it may be done after a failure in a transaction.
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback | Self::RollbackTo(_))
    }
}

/// Reads one statement.
pub(super) fn parse(text: &str) -> Result<Command, Failure> {
    let mut words = Words::new(text)?;
    if words.eat_word("move") {
        return fetch(&mut words, true);
    }
    let Some(first) = words.keyword() else {
        let empty = words.peek().is_none();
        return Ok(if empty { Command::Empty } else { Command::Query("SELECT") });
    };
    let command = match first {
        Keyword::BEGIN | Keyword::START => Command::Begin,
        Keyword::COMMIT | Keyword::END => Command::Commit,
        Keyword::ROLLBACK => return rollback(&mut words),
        Keyword::SAVEPOINT => Command::Savepoint(words.name()?),
        Keyword::RELEASE => {
            words.eat(Keyword::SAVEPOINT);
            Command::Release(words.name()?)
        }
        Keyword::SET => return set(&mut words),
        Keyword::SHOW => return show(&mut words),
        Keyword::RESET => {
            let all = words.eat(Keyword::ALL);
            Command::Reset(if all { None } else { Some(words.setting()?) })
        }
        Keyword::DISCARD => match words.keyword() {
            Some(Keyword::ALL) => Command::DiscardAll,
            Some(Keyword::PLANS) => Command::Accepted("DISCARD PLANS"),
            Some(Keyword::SEQUENCES) => Command::Accepted("DISCARD SEQUENCES"),
            _ => Command::Accepted("DISCARD TEMP"),
        },
        Keyword::DEALLOCATE => {
            words.eat(Keyword::PREPARE);
            let all = words.eat(Keyword::ALL);
            Command::Deallocate(if all { None } else { Some(words.name()?) })
        }
        Keyword::LISTEN => Command::Accepted("LISTEN"),
        Keyword::UNLISTEN => Command::Accepted("UNLISTEN"),
        Keyword::NOTIFY => Command::Accepted("NOTIFY"),
        Keyword::PREPARE => return prepare(&mut words),
        Keyword::EXECUTE => {
            let name = words.name()?;
            let arguments = words.rest().trim();
            let inside = arguments.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            Command::Execute { name, arguments: inside.unwrap_or(arguments).to_owned() }
        }
        Keyword::DECLARE => return declare(&mut words),
        Keyword::FETCH => return fetch(&mut words, false),
        Keyword::CLOSE => {
            let all = words.eat(Keyword::ALL);
            Command::CloseCursor(if all { None } else { Some(words.name()?) })
        }
        Keyword::COPY => return copy(&mut words),
        Keyword::INSERT => return insert(&mut words),
        Keyword::EXPLAIN | Keyword::DESCRIBE | Keyword::DESC => Command::Query("EXPLAIN"),
        Keyword::ABORT => Command::Rollback,
        _ => Command::Query("SELECT"),
    };
    Ok(command)
}

fn rollback(words: &mut Words<'_>) -> Result<Command, Failure> {
    let _word = words.eat(Keyword::WORK) || words.eat(Keyword::TRANSACTION);
    if !words.eat(Keyword::TO) {
        return Ok(Command::Rollback);
    }
    words.eat(Keyword::SAVEPOINT);
    Ok(Command::RollbackTo(words.name()?))
}

fn set(words: &mut Words<'_>) -> Result<Command, Failure> {
    if words.eat(Keyword::TRANSACTION) || words.eat_word("CONSTRAINTS") {
        return Ok(Command::Accepted("SET"));
    }
    let at = words.at;
    if words.eat(Keyword::SESSION) {
        if words.eat(Keyword::CHARACTERISTICS) || words.eat(Keyword::AUTHORIZATION) {
            return Ok(Command::Accepted("SET"));
        }
    } else {
        words.eat(Keyword::LOCAL);
    }
    if words.eat(Keyword::TIME) {
        if !words.eat(Keyword::ZONE) {
            return Err(Failure::new("42601", "SET TIME ZONE is meant"));
        }
        return Ok(Command::Set { name: "timezone".to_owned(), value: value(words) });
    }
    if words.eat(Keyword::NAMES) {
        return Ok(Command::Set { name: "client_encoding".to_owned(), value: value(words) });
    }
    if words.eat(Keyword::ROLE) {
        return Ok(Command::Accepted("SET"));
    }
    let name = words.setting()?;
    if words.eat_token(&Token::Eq) || words.eat(Keyword::TO) {
        return Ok(Command::Set { name, value: value(words) });
    }
    words.at = at;
    Err(Failure::new("42601", "SET wants a name and a value"))
}

/// The value of SET; `None` for DEFAULT.
fn value(words: &mut Words<'_>) -> Option<String> {
    if words.eat(Keyword::DEFAULT) || words.eat(Keyword::LOCAL) {
        return None;
    }
    let mut parts: Vec<String> = Vec::new();
    while let Some(token) = words.next() {
        match token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => parts.push(text),
            Token::Comma => parts.push(", ".to_owned()),
            Token::Word(word) if word.quote_style.is_some() => {
                parts.push(format!("\"{}\"", word.value));
            }
            other => parts.push(other.to_string()),
        }
    }
    Some(parts.concat())
}

fn show(words: &mut Words<'_>) -> Result<Command, Failure> {
    if words.eat(Keyword::ALL) {
        return Ok(Command::ShowAll);
    }
    if words.eat(Keyword::TABLES) || words.eat(Keyword::COLUMNS) || words.eat(Keyword::FULL) {
        return Ok(Command::Query("SHOW"));
    }
    if words.eat(Keyword::TIME) {
        return Ok(Command::Show("timezone".to_owned()));
    }
    if words.eat(Keyword::TRANSACTION) {
        return Ok(Command::Show("transaction_isolation".to_owned()));
    }
    Ok(Command::Show(words.setting()?))
}

fn prepare(words: &mut Words<'_>) -> Result<Command, Failure> {
    let name = words.name()?;
    if words.eat_token(&Token::LParen) {
        let mut depth = 1;
        while depth > 0 {
            match words.next() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(Failure::new("42601", "a bracket is missing")),
            }
        }
    }
    if !words.eat(Keyword::AS) {
        return Err(Failure::new("42601", "PREPARE wants AS and a statement"));
    }
    Ok(Command::Prepare { name, statement: words.rest().to_owned() })
}

fn declare(words: &mut Words<'_>) -> Result<Command, Failure> {
    let name = words.name()?;
    let mut cursor = Cursor { name, binary: false, hold: false, question: String::new() };
    while let Some(token) = words.next() {
        let Token::Word(word) = token else { break };
        match word.keyword {
            Keyword::BINARY => cursor.binary = true,
            Keyword::WITH => cursor.hold = words.eat(Keyword::HOLD),
            Keyword::FOR => {
                words.rest().clone_into(&mut cursor.question);
                return Ok(Command::Declare(cursor));
            }
            _ => {}
        }
    }
    Err(Failure::new("42601", "DECLARE wants FOR and a question"))
}

fn fetch(words: &mut Words<'_>, moves: bool) -> Result<Command, Failure> {
    let backward = || {
        Failure::new("55000", "a cursor only goes forward")
            .hint("declare it again to read from the start")
    };
    let mut count = Count::Rows(1);
    let forward = words.eat(Keyword::FORWARD);
    if words.eat(Keyword::ALL) {
        count = Count::All;
    } else if words.eat(Keyword::NEXT) {
    } else if words.eat(Keyword::PRIOR)
        || words.eat(Keyword::BACKWARD)
        || words.eat(Keyword::ABSOLUTE)
        || words.eat(Keyword::LAST)
        || words.eat(Keyword::FIRST)
    {
        return Err(backward());
    } else {
        words.eat(Keyword::RELATIVE);
        if words.eat_token(&Token::Minus) {
            return Err(backward());
        }
        if let Some(Token::Number(digits, _)) = words.peek() {
            let digits = digits.clone();
            words.at += 1;
            let rows =
                digits.parse().map_err(|_error| Failure::new("42601", "that is no count"))?;
            count = Count::Rows(rows);
        } else if forward && words.peek().is_none() {
            return Err(Failure::new("42601", "the name of a cursor is missing"));
        }
    }
    let _from = words.eat(Keyword::FROM) || words.eat(Keyword::IN);
    Ok(Command::Fetch { name: words.name()?, count, moves })
}

fn copy(words: &mut Words<'_>) -> Result<Command, Failure> {
    let from = words.at;
    if words.eat_token(&Token::LParen) {
        let mut depth = 1;
        while depth > 0 {
            match words.next() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(Failure::new("42601", "a bracket is missing")),
            }
        }
        let question = words.between(from + 1, words.at - 1).to_owned();
        if !(words.eat(Keyword::TO) && words.eat(Keyword::STDOUT)) {
            return Err(no_files());
        }
        return Ok(Command::CopyOut { question, form: form(words)? });
    }
    let start = words.at;
    let table = words.table()?;
    let reference = words.between(start, words.at).to_owned();
    let columns = words.names()?;
    if words.eat(Keyword::TO) {
        if !words.eat(Keyword::STDOUT) {
            return Err(no_files());
        }
        let list: Vec<String> =
            columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let list = if list.is_empty() { "*".to_owned() } else { list.join(", ") };
        let question = format!("SELECT {list} FROM {reference}");
        return Ok(Command::CopyOut { question, form: form(words)? });
    }
    if !(words.eat(Keyword::FROM) && words.eat(Keyword::STDIN)) {
        return Err(no_files());
    }
    only_samples(&table)?;
    Ok(Command::CopyIn { columns, form: form(words)? })
}

fn no_files() -> Failure {
    Failure::unsupported("COPY goes TO STDOUT or comes FROM STDIN")
        .hint("files of the server cannot be read or written; psql has \\copy for files of yours")
}

fn only_samples(table: &str) -> Result<(), Failure> {
    if table == "samples" {
        return Ok(());
    }
    let code = if table == "tags" || table == "latest" { "25006" } else { "42P01" };
    Err(Failure::new(code, format!("\"{table}\" cannot be written to"))
        .hint("rows go into samples (tag, ts, value, quality)"))
}

fn insert(words: &mut Words<'_>) -> Result<Command, Failure> {
    if !words.eat(Keyword::INTO) {
        return Err(Failure::new("42601", "INSERT wants INTO"));
    }
    only_samples(&words.table()?)?;
    let columns = words.names()?;
    let from = words.at;
    let mut depth = 0_u32;
    let mut to = words.tokens.len();
    for (at, (token, _)) in words.tokens.iter().enumerate().skip(from) {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.keyword {
                Keyword::RETURNING => {
                    return Err(Failure::unsupported("RETURNING is not there")
                        .hint("the rows are those that were sent"));
                }
                // Of two samples with one tag and time the later one stays, whatever is said.
                Keyword::ON if is_conflict(words.tokens.get(at + 1)) => {
                    to = at;
                    break;
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(Command::Insert { columns, rows: words.between(from, to).to_owned() })
}

fn is_conflict(token: Option<&(Token, usize)>) -> bool {
    matches!(token, Some((Token::Word(word), _)) if word.keyword == Keyword::CONFLICT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_questions() {
        let set = |name: &str, value: &str| Command::Set {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        };
        for (text, want) in [
            ("-- ping", Command::Empty),
            ("/* x */ select 1", Command::Query("SELECT")),
            ("(SELECT 1)", Command::Query("SELECT")),
            ("begin transaction isolation level serializable", Command::Begin),
            ("START TRANSACTION READ ONLY", Command::Begin),
            ("end", Command::Commit),
            ("ABORT", Command::Rollback),
            ("rollback to savepoint \"A b\"", Command::RollbackTo("A b".to_owned())),
            ("SET extra_float_digits = 3", set("extra_float_digits", "3")),
            ("SET LOCAL search_path TO \"$user\", public", set("search_path", "\"$user\", public")),
            ("SET TIME ZONE 'Europe/Berlin'", set("timezone", "Europe/Berlin")),
            ("set time zone default", Command::Set { name: "timezone".into(), value: None }),
            ("SET statement_timeout = '5s'", set("statement_timeout", "5s")),
            ("SET a.b = 'x'", set("a.b", "x")),
            ("SHOW TimeZone", Command::Show("timezone".to_owned())),
            ("SHOW transaction isolation level", Command::Show("transaction_isolation".to_owned())),
            ("SHOW tables", Command::Query("SHOW")),
            ("DEALLOCATE ALL", Command::Deallocate(None)),
            ("CLOSE c", Command::CloseCursor(Some("c".to_owned()))),
            (
                "FETCH FORWARD 10 FROM \"c\"",
                Command::Fetch { name: "c".into(), count: Count::Rows(10), moves: false },
            ),
            (
                "FETCH ALL IN c",
                Command::Fetch { name: "c".into(), count: Count::All, moves: false },
            ),
            ("fetch c", Command::Fetch { name: "c".into(), count: Count::Rows(1), moves: false }),
            (
                "EXECUTE p(1, 'a')",
                Command::Execute { name: "p".into(), arguments: "1, 'a'".into() },
            ),
            (
                "INSERT INTO samples (tag, ts) VALUES ('a', now()) ON CONFLICT DO NOTHING",
                Command::Insert {
                    columns: vec!["tag".into(), "ts".into()],
                    rows: "VALUES ('a', now())".into(),
                },
            ),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn a_cursor_keeps_its_question_as_written() {
        let text = "DECLARE \"c1\" NO SCROLL CURSOR WITH HOLD FOR SELECT 'ä', ';'\nFROM tags";
        let Command::Declare(cursor) = parse(text).unwrap() else { panic!("no cursor") };
        assert_eq!((cursor.name.as_str(), cursor.hold), ("c1", true));
        assert_eq!(cursor.question, "SELECT 'ä', ';'\nFROM tags");
    }

    #[test]
    fn copy_speaks_the_words_of_today_and_of_old() {
        for (text, style, header) in [
            ("COPY (SELECT 1) TO STDOUT", CopyStyle::Text, false),
            ("COPY (SELECT (1)) TO STDOUT WITH (FORMAT csv, HEADER true)", CopyStyle::Csv, true),
            ("COPY samples TO STDOUT WITH CSV HEADER", CopyStyle::Csv, true),
            ("COPY (SELECT 1) TO STDOUT WITH BINARY", CopyStyle::Binary, false),
            (
                "copy \"samples\"(tag, ts, value) to stdout (format binary)",
                CopyStyle::Binary,
                false,
            ),
            ("COPY (SELECT 1) TO STDOUT (FORMAT \"csv\", DELIMITER ';')", CopyStyle::Csv, false),
        ] {
            let Command::CopyOut { form, .. } = parse(text).unwrap() else { panic!("{text}") };
            assert_eq!((form.style, form.header), (style, header), "{text}");
        }
        let text = "COPY public.samples (tag, ts, value) FROM STDIN WITH (FORMAT csv, NULL 'x')";
        let Command::CopyIn { columns, form } = parse(text).unwrap() else { panic!("{text}") };
        assert_eq!((columns.len(), form.null.as_str()), (3, "x"));
        assert_eq!(parse("COPY samples TO '/tmp/x'").unwrap_err().code(), "0A000");
        assert_eq!(parse("COPY tags FROM STDIN").unwrap_err().code(), "25006");
    }
}
