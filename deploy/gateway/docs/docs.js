"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

// Text is only ever set as text: what a service writes into its descriptions is never markup here.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolved(document_, node) {
  if (!node || !node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((at, key) => at && at[key], document_);
}

function schemaText(document_, schema, depth = 0) {
  const found = resolved(document_, schema);
  if (!found) return "anything";
  const options = found.anyOf || found.oneOf;
  if (options) return options.map((option) => schemaText(document_, option, depth)).join(" | ");
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (found.type === "array") return `[${schemaText(document_, found.items, depth)}]`;
  if (found.properties) {
    if (depth > 3) return "{…}";
    const pad = "  ".repeat(depth + 1);
    const required = new Set(found.required || []);
    const lines = Object.entries(found.properties).map(
      ([name, property]) => `${pad}${name}${required.has(name) ? "" : "?"}: ${schemaText(document_, property, depth + 1)}`,
    );
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  return found.format ? `${found.type} (${found.format})` : found.type || "anything";
}

function contentOf(document_, holder) {
  const content = resolved(document_, holder)?.content || {};
  return Object.entries(content).map(([type, entry]) => `${type}\n${schemaText(document_, entry.schema)}`);
}

function operationView(document_, path, method, operation) {
  const body = element("div", { class: "body" });
  if (operation.description) body.append(element("p", {}, operation.description));
  const parameters = (operation.parameters || []).map((one) => resolved(document_, one));
  if (parameters.length) {
    const lines = parameters.map(
      (one) => `${one.name}${one.required ? "" : "?"} (${one.in}): ${schemaText(document_, one.schema)}`,
    );
    body.append(element("h4", {}, "Parameters"), element("pre", {}, lines.join("\n")));
  }
  for (const text of contentOf(document_, operation.requestBody)) {
    body.append(element("h4", {}, "Body"), element("pre", {}, text));
  }
  for (const [status, response] of Object.entries(operation.responses || {})) {
    const found = resolved(document_, response);
    body.append(element("h4", {}, `${status} ${found?.description || ""}`));
    for (const text of contentOf(document_, response)) body.append(element("pre", {}, text));
  }
  const summary = element(
    "summary", {},
    element("b", { class: `method ${method}` }, method.toUpperCase()),
    element("code", {}, path),
    element("span", {}, operation.summary || ""),
  );
  const view = element("details", {}, summary, body);
  view.dataset.words = `${method} ${path} ${operation.summary || ""}`.toLowerCase();
  return view;
}

async function serviceView(service) {
  const heading = element("h2", {}, service.title, element("a", { href: service.url }, "openapi.json"));
  const section = element("section", { id: service.name }, heading);
  try {
    const answer = await fetch(service.url);
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const document_ = await answer.json();
    for (const [path, operations] of Object.entries(document_.paths || {})) {
      for (const method of METHODS.filter((name) => operations[name])) {
        section.append(operationView(document_, path, method, operations[method]));
      }
    }
  } catch (error) {
    section.append(element("p", { class: "failure" }, `Not available at the moment: ${error.message}`));
  }
  return section;
}

function applyFilter() {
  const wanted = document.getElementById("filter").value.trim().toLowerCase();
  for (const view of document.querySelectorAll("details")) {
    view.hidden = !view.dataset.words.includes(wanted);
  }
}

async function main() {
  const services = await (await fetch("/docs/services.json")).json();
  const views = await Promise.all(services.map(serviceView));
  document.getElementById("services").append(...views);
  document.getElementById("filter").addEventListener("input", applyFilter);
}

main();
