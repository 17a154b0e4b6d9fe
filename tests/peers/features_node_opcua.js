// A peer of features.py by node-opcua: alarms, a method, a structure, a range for percent deadbands, and users who
// log in by certificate.
//
//     npm install node-opcua
//     node tests/peers/features_node_opcua.js PORT DIRECTORY USER_CERTIFICATE
//
// The user certificate (DER) is the only one that is trusted.
"use strict";
const fs = require("fs");
const path = require("path");
const {
  DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant,
} = require("node-opcua");
const { ensureDatatypeExtracted } = require("node-opcua-address-space");

const [port, directory, userCertificate] = process.argv.slice(2);

async function main() {
  const manager = async (name, acceptsAll) => {
    const made = new OPCUACertificateManager({
      automaticallyAcceptUnknownCertificate: acceptsAll,
      rootFolder: path.join(directory, name),
    });
    await made.initialize();
    return made;
  };
  const users = await manager("pki-users", false);
  await users.trustCertificate(fs.readFileSync(userCertificate));
  const server = new OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    serverCertificateManager: await manager("pki-server", true),
    userCertificateManager: users,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  space.installAlarmsAndConditionsService();
  const own = space.registerNamespace("urn:tacitus:peer");
  const line = own.addObject({
    organizedBy: space.rootFolder.objects,
    browseName: "Line",
    nodeId: "s=Line",
    eventNotifier: 1,
    notifierOf: space.rootFolder.objects.server,
  });

  const level = own.addAnalogDataItem({
    componentOf: line,
    browseName: "level",
    nodeId: "s=Line.level",
    dataType: "Double",
    minimumSamplingInterval: 0,
    engineeringUnitsRange: { low: 0, high: 200 },
    eventSourceOf: line,
    value: { dataType: "Double", value: 100 },
  });
  own.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", {
    browseName: "LevelAlarm",
    componentOf: line,
    conditionName: "LevelAlarm",
    conditionSource: level,
    inputNode: level,
    highHighLimit: 190,
    highLimit: 180,
    lowLimit: 20,
    lowLowLimit: 10,
    setpointNode: null,
  });
  const count = own.addVariable({
    componentOf: line, browseName: "count", nodeId: "s=Line.count", dataType: "Int32", minimumSamplingInterval: 0,
    value: { dataType: "Int32", value: 0 },
  });

  const motor = own.createDataType({
    browseName: "Motor",
    nodeId: "s=Motor",
    isAbstract: false,
    subtypeOf: "Structure",
    partialDefinition: [
      { name: "Speed", dataType: space.findDataType("Double").nodeId, valueRank: -1 },
      { name: "Name", dataType: space.findDataType("String").nodeId, valueRank: -1 },
      { name: "Axis", dataType: space.findDataType("Int32").nodeId, valueRank: 1 },
    ],
  });
  own.addObject({
    browseName: { name: "Default Binary", namespaceIndex: 0 },
    nodeId: "s=Motor.Binary",
    typeDefinition: "DataTypeEncodingType",
    encodingOf: motor,
  });
  // Types that are made after the start are only known to the server when it looks again.
  space.$$extraDataTypeManager = undefined;
  await ensureDatatypeExtracted(space);
  const value = (speed) => {
    const made = space.constructExtensionObject(motor, { speed, name: "M1", axis: [1, 2, 3] });
    return { dataType: DataType.ExtensionObject, value: made };
  };
  const drive = own.addVariable({
    componentOf: line, browseName: "drive", nodeId: "s=Line.drive", dataType: motor, minimumSamplingInterval: 0,
  });
  drive.setValueFromSource(value(1.5));

  const method = own.addMethod(line, {
    browseName: "double",
    nodeId: "s=Line.double",
    inputArguments: [{ name: "x", dataType: DataType.Double }],
    outputArguments: [{ name: "y", dataType: DataType.Double }],
  });
  method.bindMethod((inputs, _context, callback) => {
    if (inputs[0].value < 0) {
      callback(null, { statusCode: StatusCodes.BadOutOfRange });
      return;
    }
    const outputArguments = [new Variant({ dataType: DataType.Double, value: inputs[0].value * 2 })];
    callback(null, { statusCode: StatusCodes.Good, outputArguments });
  });

  await server.start();
  console.log("ready");
  // Every half second: the level changes by 1 (0.5 % of its range), every tenth time by 50; of 30 s it is
  // for 10 s so high that there is an alarm.
  let tick = 0;
  setInterval(() => {
    tick += 1;
    const base = Math.floor(tick / 10) % 2 ? 150 : 100;
    count.setValueFromSource({ dataType: DataType.Int32, value: tick });
    level.setValueFromSource({ dataType: DataType.Double, value: tick % 60 >= 40 ? 195 : base + (tick % 2) });
    drive.setValueFromSource(value(tick + 0.5));
  }, 500);
}

main();
