// asl-validator's verdict on state machines. In: `{template: {logical id: definition}}` on stdin. Out: findings on stdout.
const validator = require("asl-validator");

let text = "";
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", () => {
  const findings = [];
  for (const [template, machines] of Object.entries(JSON.parse(text))) {
    for (const [where, definition] of Object.entries(machines)) {
      for (const error of validator(definition).errors) {
        const code = error["Error code"] ?? "asl-validator";
        const { ["Error code"]: _, ...rest } = error;
        findings.push({ judge: "asl-validator", template, rule: code, where, message: JSON.stringify(rest).slice(0, 600) });
      }
    }
  }
  process.stdout.write(JSON.stringify(findings));
});
