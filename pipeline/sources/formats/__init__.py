"""Read file formats safely: HDF, GeoTIFF, CF attributes, tables of text."""
