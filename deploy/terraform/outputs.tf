output "environment" {
  description = "Variables of the portal, except its access key."
  value = {
    USE_S3                   = "True"
    AWS_STORAGE_BUCKET_NAME  = aws_s3_bucket.documents.id
    AWS_S3_REGION_NAME       = var.region
    DOWNLOAD_URL_TTL_SECONDS = tostring(var.link_life_seconds)
  }
}

output "make_key" {
  description = "Creates the portal's access key, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
  value       = "aws iam create-access-key --user-name ${aws_iam_user.portal.name}"
}

output "replica" {
  description = "The replica bucket, by region."
  value       = { for region, bucket in aws_s3_bucket.replica : region => bucket.id }
}
