"""`gradus grade`: a class in one go, with a store from which every mark can be explained and replayed."""
