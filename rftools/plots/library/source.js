// The traces that our drawings are made of; core brings scatter along.
const Plotly = require("plotly.js/lib/core");
Plotly.register([
  require("plotly.js/lib/bar"),
  require("plotly.js/lib/barpolar"),
  require("plotly.js/lib/heatmap"),
  require("plotly.js/lib/image"),
  require("plotly.js/lib/scatterpolar"),
]);
module.exports = Plotly;
