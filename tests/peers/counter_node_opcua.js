// A peer of restarts.py: counters of an OPC UA server by node-opcua.
//
//     npm install node-opcua
//     node tests/peers/counter_node_opcua.js PORT LOG ITEMS PERIOD_MS
//
// As counter_asyncua.py; every second item keeps a history in memory, which begins anew with each start.
// The module is looked for where the script runs (NODE_PATH); its certificates are put beside LOG.
"use strict";
const fs = require("fs");
const path = require("path");
const { OPCUACertificateManager, OPCUAServer, StatusCodes, DataType } = require("node-opcua");

const [port, log, items, period] = [process.argv[2], process.argv[3], process.argv[4], process.argv[5]];
const lines = fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n").filter(Boolean) : [];
let tick = lines.length ? Number(lines[lines.length - 1].split(" ")[1]) : 0;
const file = fs.openSync(log, "a");

function next() {
  const now = new Date();
  tick += 1;
  fs.writeSync(file, `${now.getTime()}000000 ${tick}\n`);
  return now;
}

async function main() {
  const certificates = new OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: true,
    rootFolder: path.join(path.dirname(log), "pki-node"),
  });
  await certificates.initialize();
  const server = new OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    serverCertificateManager: certificates,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.registerNamespace("urn:tacitus:peer");
  const line = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Line", nodeId: "s=Line" });
  const nodes = [];
  const first = next();
  for (let item = 0; item < Number(items); item += 1) {
    const node = own.addVariable({
      componentOf: line,
      browseName: `c${item}`,
      nodeId: `s=Line.c${item}`,
      dataType: "Double",
      minimumSamplingInterval: 0,
    });
    node.setValueFromSource({ dataType: DataType.Double, value: tick * 1000 + item }, StatusCodes.Good, first);
    if (item % 2 === 0) {
      space.installHistoricalDataNode(node, { maxOnlineValues: 100000 });
    }
    nodes.push(node);
  }
  await server.start();
  console.log("ready");
  const timer = setInterval(() => {
    const now = next();
    nodes.forEach((node, item) => {
      node.setValueFromSource({ dataType: DataType.Double, value: tick * 1000 + item }, StatusCodes.Good, now);
    });
  }, Number(period));
  process.on("SIGTERM", async () => {
    clearInterval(timer);
    await server.shutdown(100);
    process.exit(0);
  });
}

main();
