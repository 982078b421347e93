// What the net's map takes of the libraries.
const { Graph, layout, select, zoom, zoomIdentity, zoomTransform } = netmapLibrary;
