// A way to Ripen that fails now and then, as networks and busy servers do.
import http from "node:http";

// What happens to which POST, counted from 1: an answer in Ripen's stead, or its answer lost on the way.
const TROUBLE = { 2: 503, 4: 429 };
const LOST = 5;

export async function flakyProxy(target) {
  const { hostname, port } = new URL(target);
  const seen = { answers: [], refused: [] };
  let posts = 0;
  const server = http.createServer((request, response) => {
    const place = request.method === "POST" ? ++posts : 0;
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (TROUBLE[place]) {
        seen.refused.push(TROUBLE[place]);
        response.writeHead(TROUBLE[place], { "Retry-After": "1", "Content-Type": "application/json" });
        response.end('{"code": "unavailable"}');
        return;
      }
      const headers = { ...request.headers, host: `${hostname}:${port}` };
      delete headers["transfer-encoding"];
      const body = Buffer.concat(chunks);
      if (body.length) headers["content-length"] = body.length;
      const onward = http.request({ hostname, port, path: request.url, method: request.method, headers }, (answer) => {
        seen.answers.push(answer.statusCode);
        if (place === LOST) {
          answer.resume();
          seen.refused.push(502);
          response.writeHead(502);
          response.end();
          return;
        }
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      onward.end(body);
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => server.close() };
}
