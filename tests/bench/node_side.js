// The same as python_side.py for Node: `node node_side.js WORKLOAD AMOUNT`.
"use strict";
const { spawn } = require("node:child_process");

const MIB = 1 << 20;

function measured() {
  const wall = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  return () => {
    const used = process.cpuUsage(cpu);
    return {
      wall: Number(process.hrtime.bigint() - wall) / 1e9,
      cpu: (used.user + used.system) / 1e6,
    };
  };
}

// Resolves to the output, when the child has exited and its pipes are closed.
function run(command, args, stdio) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio });
    const chunks = [];
    if (child.stdout) child.stdout.on("data", (chunk) => chunks.push(chunk));
    if (child.stderr) child.stderr.resume();
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(Buffer.concat(chunks)) : reject(code)));
  });
}

const runTrue = () => run("/bin/true", [], "inherit");

async function oneAfterAnother(amount, one) {
  for (let i = 0; i < 20; i++) await one();
  const done = measured();
  for (let i = 0; i < amount; i++) await one();
  return done();
}

const workloads = {
  spawn: (amount) => oneAfterAnother(amount, runTrue),
  pipes: (amount) =>
    oneAfterAnother(amount, () => run("/bin/echo", ["hello"], ["inherit", "pipe", "pipe"])),
  flight: async (amount) => {
    const worker = async (count) => {
      for (let i = 0; i < count; i++) await runTrue();
    };
    const all = (count) => Promise.all(Array.from({ length: 100 }, () => worker(count)));
    await all(1);
    const done = measured();
    await all(amount / 100);
    return done();
  },
  capture: async (mib) => {
    const writer = (size) =>
      run("head", ["-c", String(size * MIB), "/dev/zero"], ["inherit", "pipe", "inherit"]);
    await writer(2);
    const done = measured();
    const output = await writer(mib);
    const figures = done();
    if (output.length !== mib * MIB) throw new Error("short output");
    return figures;
  },
};

workloads[process.argv[2]](Number(process.argv[3])).then(
  (figures) => console.log(JSON.stringify(figures)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
