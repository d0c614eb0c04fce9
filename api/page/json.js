/** Parse JSON without rounding. Numbers that JavaScript cannot represent exactly become strings. */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

export const parseExactly = (text) =>
  JSON.parse(text.replace(TOKEN, (token) => (token[0] === '"' || String(Number(token)) === token ? token : `"${token}"`)));
