// node-postgres, its cursor, and postgres.js: what web services use.
// Run as `node node.js HOST PORT`; says so where the packages are not installed.

const [host = "127.0.0.1", port = "5433"] = process.argv.slice(2);
let failed = 0;

function load(name) {
  try {
    return require(name);
  } catch {
    console.log(`skipped: ${name} is not installed`);
    return null;
  }
}

async function check(client, name, act) {
  try {
    await act();
    console.log(`ok    ${client}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${client}: ${name}: ${error.message}`);
  }
}

function same(got, want) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`got ${a}, wanted ${b}`);
}

async function nodePostgres(pg) {
  const client = new pg.Client({ host, port, user: "test", database: "tacitus" });
  await client.connect();
  const ask = async (sql, values) => (await client.query(sql, values)).rows;
  await check("node-postgres", "INSERT", async () => {
    const sql = "INSERT INTO samples (tag, ts, value) VALUES ($1, $2, $3)";
    await client.query(sql, ["clients/node", new Date("2026-03-01T00:00:00Z"), 4.5]);
  });
  await check("node-postgres", "parameters", async () => {
    const sql = "SELECT value FROM samples WHERE tag = $1 AND ts >= $2 LIMIT $3";
    same(await ask(sql, ["clients/node", new Date("2026-03-01T00:00:00Z"), 5]), [{ value: 4.5 }]);
  });
  await check("node-postgres", "a list as a parameter", async () => {
    const sql = "SELECT count(*)::int AS n FROM samples WHERE tag = ANY($1)";
    same(await ask(sql, [["clients/node", "x y", 'q"']]), [{ n: 1 }]);
  });
  await check("node-postgres", "prepared", async () => {
    const query = { name: "q", text: "SELECT $1::int AS n", values: [2] };
    same((await client.query(query)).rows, [{ n: 2 }]);
    same((await client.query({ ...query, values: [3] })).rows, [{ n: 3 }]);
  });
  await check("node-postgres", "codes of errors", async () => {
    const code = await client.query("SELECT 1 / 0").catch((error) => error.code);
    same(code, "22012");
  });
  const Cursor = load("pg-cursor");
  if (Cursor) {
    await check("node-postgres", "a cursor", async () => {
      const cursor = client.query(new Cursor("SELECT * FROM generate_series(1, 1000)"));
      let count = 0;
      for (let rows; (rows = await cursor.read(100)).length > 0; ) count += rows.length;
      await cursor.close();
      same(count, 1000);
    });
  }
  await client.end();
}

async function postgresJs(postgres) {
  const sql = postgres({ host, port, user: "test", database: "tacitus", max: 1 });
  await check("postgres.js", "parameters", async () => {
    const rows = await sql`SELECT value FROM samples WHERE tag = ${"clients/node"} LIMIT ${1}`;
    same([...rows], [{ value: 4.5 }]);
  });
  await check("postgres.js", "a list as a parameter", async () => {
    const rows = await sql`SELECT count(*)::int AS n FROM samples WHERE tag = ANY(${["clients/node"]})`;
    same([...rows], [{ n: 1 }]);
  });
  await sql.end();
}

(async () => {
  const pg = load("pg");
  if (pg) await nodePostgres(pg);
  const postgres = load("postgres");
  if (postgres) await postgresJs(postgres);
  process.exit(failed);
})();
